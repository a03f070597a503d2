#include "net/upgrade_policy.hpp"

#include <algorithm>

#include <boost/asio/ip/address.hpp>

namespace sheaf {

namespace {

bool same_letter(char a, char b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return lower(a) == lower(b);
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_letter);
}

bool lists(const std::vector<std::string>& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(), [&](const auto& listed) { return same_name(listed, name); });
}

bool is_number(std::string_view host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(std::string(host), error);
  return !error;
}

// HOST or HOST:PORT without the port; an IPv6 number without its brackets.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    return end == host.npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

}  // namespace

bool admits_path(const UpgradePolicy& policy, std::string_view target) {
  return policy.path.empty() || target == policy.path;
}

bool admits_host(const UpgradePolicy& policy, std::string_view host) {
  const auto name = without_port(host);
  return is_number(name) || same_name(name, "localhost") || lists(policy.hosts, name);
}

bool admits_origin(const UpgradePolicy& policy, std::string_view origin, std::string_view host) {
  if (lists(policy.origins, origin)) return true;
  constexpr std::string_view scheme = "http://";  // we speak no TLS: a page of ours came the same way
  return origin.starts_with(scheme) && same_name(origin.substr(scheme.size()), host);
}

}  // namespace sheaf
