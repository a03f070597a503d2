#include "net/upgrade_request.hpp"

#include <algorithm>

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

namespace sheaf {
namespace http = boost::beast::http;

UpgradeRequest::UpgradeRequest(std::size_t head_bytes) : most_(head_bytes) {
  parser_.header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(head_bytes, UINT32_MAX)));
}

MutableBytes UpgradeRequest::room() {
  if (filled_ == bytes_.size()) bytes_.resize(std::min(most_, filled_ + step_bytes));
  return MutableBytes(bytes_).subspan(filled_);
}

void UpgradeRequest::received(std::size_t bytes) {
  filled_ += bytes;
  boost::system::error_code error;
  parsed_ += parser_.put(boost::asio::buffer(bytes_.data() + parsed_, filled_ - parsed_), error);
  if (parser_.is_header_done()) {
    over_ = true;
  } else if (error && error != http::error::need_more) {
    over_ = true;
    malformed_ =
        error == http::error::header_limit ? Status::request_header_fields_too_large : Status::bad_request;
  } else if (filled_ == most_) {
    over_ = true;
    malformed_ = Status::request_header_fields_too_large;
  }
}

UpgradeRequest::Status UpgradeRequest::judge(const UpgradePolicy& policy) const {
  const Message& request = parser_.get();
  if (request.version() != 11) return Status::bad_request;
  // A body would be read as frames, and two ideas of where it ends are how requests are smuggled.
  if (request.count(http::field::content_length) != 0 || request.count(http::field::transfer_encoding) != 0)
    return Status::bad_request;
  if (request.count(http::field::host) != 1 || request.count(http::field::origin) > 1)
    return Status::bad_request;
  const auto host = request[http::field::host];
  if (!admits_host(policy, host)) return Status::forbidden;
  if (request.count(http::field::origin) == 1 && !admits_origin(policy, request[http::field::origin], host))
    return Status::forbidden;
  if (request.method() != http::verb::get) return Status::method_not_allowed;
  if (!admits_path(policy, request.target())) return Status::not_found;
  if (!http::token_list{request[http::field::connection]}.exists("upgrade") ||
      !http::token_list{request[http::field::upgrade]}.exists("websocket"))
    return Status::upgrade_required;
  return Status::switching_protocols;
}

}  // namespace sheaf
