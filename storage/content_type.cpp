#include "storage/content_type.hpp"

#include <algorithm>
#include <magic.h>
#include <stdexcept>

#include "sheaf/storage/routes.hpp"

namespace sheaf {
namespace {

// RFC 6838's restricted names: no spaces, no parameters.
bool is_name(std::string_view text) {
  const auto fits = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$&-^_.+").find(static_cast<char>(c)) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

bool same_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

bool is_content_type(const std::string& pattern) {
  const std::string_view text = pattern;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_name(text.substr(0, slash))) return false;
  return text.substr(slash + 1) == "*" || is_name(text.substr(slash + 1));
}

bool matches_content_type(const std::string& type, const std::string& pattern) {
  const std::string_view wanted = pattern;
  if (!wanted.ends_with("/*")) return same_letters(type, wanted);
  const std::string_view family = wanted.substr(0, wanted.size() - 1);
  return same_letters(std::string_view(type).substr(0, family.size()), family);
}

ContentTypes::ContentTypes()
    : magic_(::magic_open(MAGIC_MIME_TYPE | MAGIC_ERROR | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF |
                          MAGIC_NO_CHECK_CDF)) {
  if (magic_ == nullptr) throw std::bad_alloc();
  if (::magic_load(magic_, nullptr) == 0) return;
  const char* const words = ::magic_error(magic_);
  const std::string why = words ? words : "no reason given";
  ::magic_close(magic_);
  throw std::invalid_argument("content types cannot be told: " + why);
}

ContentTypes::~ContentTypes() { ::magic_close(magic_); }

ContentTypes& content_types() {
  static ContentTypes one;
  return one;
}

std::string ContentTypes::of(Bytes value) {
  const Bytes looked_at = value.first(std::min(value.size(), content_type_bytes));
  const std::lock_guard lock(asking_);
  const char* const type = ::magic_buffer(magic_, looked_at.data(), looked_at.size());
  return type ? type : "application/octet-stream";
}

}  // namespace sheaf
