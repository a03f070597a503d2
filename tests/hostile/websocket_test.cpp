// Whoever comes to the WebSocket listener with a request or with frames that no honest peer sends (L16): each
// gets the stated status or close code, none becomes a session, and nothing is left behind.
#include "tests/hostile/scripted_peer.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view sample_key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

std::string request(std::string_view host, std::string_view more, std::string_view version = "13",
                    std::string_view key = sample_key) {
  return "GET / HTTP/1.1\r\nHost: " + std::string(host) +
         "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: " + std::string(version) +
         "\r\n" + std::string(key) + std::string(more) + "\r\n";
}

std::string frame(unsigned first, std::string_view body, bool masked = true) {
  std::string out(1, static_cast<char>(first));
  if (body.size() < 126) {
    out += static_cast<char>((masked ? 0x80 : 0) | body.size());
  } else {
    out += static_cast<char>((masked ? 0x80 : 0) | 126);
    out += static_cast<char>(body.size() >> 8);
    out += static_cast<char>(body.size());
  }
  if (masked) out += std::string(4, '\0');
  return out.append(body);
}

class WebClient {
 public:
  explicit WebClient(HostileWorld& world)
      : world_(world), peer_(world, ScriptedPeer::fresh_keys(world), world.web_address()) {}

  // What the victim answers until it ends or falls silent.
  std::string say(const std::string& bytes) {
    peer_.write(as_bytes(bytes));
    return std::string(as_text(peer_.read_all()));
  }
  std::string upgrade() { return say(request(host(), "")); }
  std::string host() const { return "127.0.0.1:" + std::to_string(world_.web_address().port); }
  ScriptedPeer& peer() { return peer_; }

 private:
  HostileWorld& world_;
  ScriptedPeer peer_;
};

// The answer's status line up to the status, and no session came of it.
std::string status(HostileWorld& world, const std::string& bytes) {
  WebClient client(world);
  const std::string answer = client.say(bytes);
  CHECK(client.peer().ended() == SessionEnd::stream_error);
  return answer.substr(0, std::string_view("HTTP/1.1 403").size());
}

// The close code that the victim's last frame carries; 0 if it sent none.
unsigned code(HostileWorld& world, const std::string& frames) {
  WebClient client(world);
  REQUIRE(client.upgrade().starts_with("HTTP/1.1 101"));
  const std::string said = client.say(frames);
  CHECK(client.peer().ended() == SessionEnd::stream_error);
  if (said.size() < 4 || said[said.size() - 4] != '\x88') return 0;
  const auto byte = [&](std::size_t back) { return static_cast<unsigned char>(said[said.size() - back]); };
  return byte(2) * 256u + byte(1);
}

}  // namespace

TEST_CASE("ws_foreign_origin, ws_null_origin: a page of another place is refused") {
  HostileWorld world;
  CHECK(status(world, request("127.0.0.1", "Origin: https://evil.example\r\n")) == "HTTP/1.1 403");
  CHECK(status(world, request("127.0.0.1", "Origin: null\r\n")) == "HTTP/1.1 403");
  world.unharmed();
}

TEST_CASE("ws_bad_host: a name that somebody else has lead here is refused") {
  HostileWorld world;
  CHECK(status(world, request("rebound.example", "Origin: http://rebound.example\r\n")) == "HTTP/1.1 403");
  world.unharmed();
}

TEST_CASE("ws_no_key, ws_version_12: what is no request of RFC 6455 is told so") {
  HostileWorld world;
  CHECK(status(world, request("127.0.0.1", "", "13", "")) == "HTTP/1.1 400");
  CHECK(status(world, request("127.0.0.1", "", "12")) == "HTTP/1.1 426");
  world.unharmed();
}

TEST_CASE("http_64KiB_head, http_smuggle: a head that is too long or has two ends is refused") {
  HostileWorld world;
  CHECK(status(world, request("127.0.0.1", "X: " + std::string(64 * 1024, 'x') + "\r\n")) == "HTTP/1.1 431");
  CHECK(status(world, request("127.0.0.1", "Content-Length: 3\r\nContent-Length: 4\r\n")) == "HTTP/1.1 400");
  CHECK(status(world, request("127.0.0.1", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")) ==
        "HTTP/1.1 400");
  world.unharmed();
}

TEST_CASE("http_slow_head: a head that trickles in ends at 10 s with 408") {
  HostileWorld world;
  WebClient client(world);
  const std::string slow = request("127.0.0.1", "");
  for (std::size_t i = 0; i < 11 && !world.ended(client.peer().name()); ++i) {
    client.peer().write(as_bytes(slow).subspan(i, 1));
    world.pass(1s);
  }
  CHECK(as_text(client.peer().read_all()).starts_with("HTTP/1.1 408"));
  CHECK(client.peer().ended() == SessionEnd::handshake_timeout);
  world.unharmed();
}

TEST_CASE("silence after the upgrade ends at 10 s like silence before it") {
  HostileWorld world;
  WebClient client(world);
  REQUIRE(client.upgrade().starts_with("HTTP/1.1 101"));
  CHECK(client.peer().ended() == SessionEnd::handshake_timeout);
  world.unharmed();
}

TEST_CASE("ws_text_frame: 1003") {
  HostileWorld world;
  CHECK(code(world, frame(0x81, "text")) == 1003);
  world.unharmed();
}

TEST_CASE("ws_unmasked, ws_reserved_bits, ws_control_126: 1002") {
  HostileWorld world;
  CHECK(code(world, frame(0x82, "bare", false)) == 1002);
  CHECK(code(world, frame(0xa2, "bits")) == 1002);
  CHECK(code(world, frame(0x89, std::string(126, 'x'))) == 1002);
  world.unharmed();
}

TEST_CASE("ws_fragment_forever: 1009 once the message is too large, and it is not kept meanwhile") {
  NodeOptions options;
  options.limits.websocket_message_bytes = 1024 * 1024;
  HostileWorld world(options);
  WebClient client(world);
  REQUIRE(client.upgrade().starts_with("HTTP/1.1 101"));
  // A frame of the stream inside that is still going on, so that nothing else is wrong with it.
  const std::string noise = [&] {
    const Buffer flight = client.peer().first_flight();
    return std::string(as_text(flight));
  }();
  client.peer().write(as_bytes(frame(0x02, noise.substr(0, 4))));
  const std::string empty = frame(0x00, "");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += empty;
  for (int i = 0; i < 50; ++i) client.peer().write(as_bytes(many));
  std::string large = frame(0x00, "");
  large =
      std::string("\x00\xff", 2) + std::string("\x00\x00\x00\x00\x00\x20\x00\x00", 8) + std::string(4, '\0');
  const std::string said = client.say(large);
  REQUIRE(said.size() >= 4);
  CHECK(said.substr(said.size() - 4) == std::string("\x88\x02\x03\xf1", 4));
  CHECK(client.peer().ended() == SessionEnd::stream_error);
  world.unharmed();
}

TEST_CASE("ws_ping_flood: a hundred are answered, then 1008, and nothing piles up") {
  HostileWorld world;
  std::string flood;
  for (int i = 0; i < 100'000; ++i) flood += frame(0x89, "");
  WebClient client(world);
  REQUIRE(client.upgrade().starts_with("HTTP/1.1 101"));
  const std::string said = client.say(flood);
  CHECK(said.size() == 100 * 2 + 4);
  CHECK(said.substr(said.size() - 4) == std::string("\x88\x02\x03\xf0", 4));
  CHECK(client.peer().ended() == SessionEnd::stream_error);
  world.unharmed();
}

TEST_CASE("ws_offer_deflate: what is offered is not taken") {
  HostileWorld world;
  WebClient client(world);
  const std::string answer = client.say(
      request(client.host(), "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"));
  CHECK(answer.starts_with("HTTP/1.1 101"));
  CHECK(answer.find("Extensions") == std::string::npos);
  client.peer().close();
  world.unharmed();
}

TEST_CASE("half-open WebSockets count with half-open connections of the same host") {
  HostileWorld world;
  std::list<ScriptedPeer> bare;
  std::list<WebClient> web;
  for (int i = 0; i < 6; ++i) bare.emplace_back(world);
  for (int i = 0; i < 6; ++i) web.emplace_back(world);
  CHECK(world.until([&] { return world.sessions_ended(SessionEnd::refused_by_limit) == 4; }, 2s));
  bare.clear();
  web.clear();
  world.unharmed();
}
