// The head of an HTTP request as a stranger sends it, piece by piece, and whether it asks for a WebSocket
// that is to be had here.
//
// Shows Boost.Beast: included by nothing but net/upgrade_request.cpp and net/websocket_stream.cpp.
#pragma once

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "net/upgrade_policy.hpp"
#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

class UpgradeRequest {
 public:
  using Message = boost::beast::http::request<boost::beast::http::empty_body>;
  using Status = boost::beast::http::status;

  // No head may have more bytes.
  explicit UpgradeRequest(std::size_t head_bytes);

  // Room for more of it, never empty while it is partial; then how much of that was filled.
  MutableBytes room();
  void received(std::size_t bytes);

  bool partial() const { return !over_; }
  // continue_ unless the head is malformed (400) or too long (431).
  Status malformed() const { return malformed_; }
  // What a whole head comes to: switching_protocols, or the status it is refused with. What is wrong with the
  // WebSocket's own fields (key, version) is for the handshake to say.
  Status judge(const UpgradePolicy& policy) const;
  const Message& message() const { return parser_.get(); }
  // What came behind the head.
  Bytes rest() const { return Bytes(bytes_).first(filled_).subspan(parsed_); }

 private:
  static constexpr std::size_t step_bytes = 1024;  // most heads fit at once

  std::size_t most_;
  boost::beast::http::request_parser<boost::beast::http::empty_body> parser_;
  Buffer bytes_;
  std::size_t filled_ = 0;
  std::size_t parsed_ = 0;
  bool over_ = false;
  Status malformed_ = Status::continue_;
};

}  // namespace sheaf
