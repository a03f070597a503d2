// A WebSocket as a ByteStream, between our two ends and against bytes written by hand: what arrives, what is
// refused and with which status or close code.
#include <array>
#include <string>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/loopback_stream.hpp"
#include "net/task_group.hpp"
#include "net/upgrade_policy.hpp"
#include "net/websocket_stream.hpp"
#include "sheaf/net/error.hpp"
#include "tests/conformance/sheaf/conformance/results.hpp"
#include "tests/support/worlds.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;

namespace {

Buffer pattern(std::size_t size, std::uint64_t seed) {
  Buffer out(size);
  seeded_random(seed)->fill(out);
  return out;
}

struct Ends {
  std::unique_ptr<ByteStream> dialled, accepted;
};

// The accepting side answers the request while it waits for bytes.
awaitable<void> answer_by_reading(ByteStream& accepted, bool& over) {
  std::array<std::byte, 1> none{};
  while (!over) {
    const auto taken = accepted.try_read(none);
    if (taken || !is_would_block(taken.error())) co_return;
    if (!co_await accepted.readable()) co_return;
  }
}

awaitable<Ends> upgraded(Timers& timers, LoopbackPair below, Limits limits = {}) {
  const auto executor = co_await asio::this_coro::executor;
  Ends ends;
  ends.accepted = WebSocketStream::accept(std::move(below.second), executor, limits, timers, {});
  bool over = false;
  TaskGroup group(executor);
  group.spawn(answer_by_reading(*ends.accepted, over));
  const Address address{.scheme = Scheme::ws, .host = "127.0.0.1", .port = 4900};
  ends.dialled = (co_await WebSocketStream::connect(std::move(below.first), address, limits, timers)).value();
  over = true;
  group.cancel();
  co_await group.join();
  co_return ends;
}

awaitable<void> send(ByteStream& stream, Bytes bytes) { (co_await write_all(stream, bytes)).value(); }

awaitable<bool> both_ways(Timers& timers, LoopbackPair below, std::size_t size) {
  Ends ends = co_await upgraded(timers, std::move(below));
  const Buffer there = pattern(size, 1), back = pattern(size, 2);
  Buffer at_accepted(size), at_dialled(size);
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(send(*ends.dialled, there));
  group.spawn(send(*ends.accepted, back));
  const auto receive = [](ByteStream& stream, Buffer& into) -> awaitable<void> {
    (co_await read_all(stream, into)).value();
  };
  group.spawn(receive(*ends.accepted, at_accepted));
  group.spawn(receive(*ends.dialled, at_dialled));
  co_await group.join();
  // The end of one side is seen by the other, which answers it.
  ends.dialled->end();
  std::array<std::byte, 1> none{};
  const auto sees_end = [](ByteStream& stream) -> awaitable<void> {
    std::array<std::byte, 1> none{};
    const auto taken = co_await read_some(stream, none);
    CHECK(taken.value() == 0);
  };
  group.spawn(sees_end(*ends.accepted));
  group.spawn(sees_end(*ends.dialled));
  co_await group.join();
  const Bytes run = there;
  CHECK(ends.accepted->try_write({&run, 1}).error() == asio::error::broken_pipe);
  CHECK(ends.dialled->try_write({&run, 1}).error() == asio::error::broken_pipe);
  ends.dialled->close();
  CHECK(ends.dialled->try_read(none).error() == NetErrc::closed);
  co_return equal(there, at_accepted) && equal(back, at_dialled);
}

void carries(const Road& road, std::size_t size) {
  VirtualWorld world;
  auto below = make_loopback(world.timers, road, road);
  CHECK(world.run(both_ways(world.timers, std::move(below), size)));
}

awaitable<std::string> everything_from(ByteStream& stream) {
  std::string out;
  std::array<std::byte, 512> piece{};
  for (;;) {
    const auto taken = co_await read_some(stream, piece);
    if (!taken || *taken == 0) co_return out;
    out += as_text(Bytes(piece).first(*taken));
  }
}

// Reads the accepted side to its end, as a session would.
awaitable<void> read_accepted(ByteStream& stream, std::string& heard, Error& error) {
  std::array<std::byte, 512> piece{};
  for (;;) {
    const auto taken = co_await read_some(stream, piece);
    if (!taken) error = taken.error();
    if (!taken || *taken == 0) break;
    heard += as_text(Bytes(piece).first(*taken));
  }
  stream.close();
}

struct Answered {
  std::string said;   // by the accepting side
  std::string heard;  // as the stream's bytes
  Error error;        // of its reading
};

awaitable<Answered> say(Timers& timers, std::string text, UpgradePolicy policy, Limits limits,
                        bool then_end) {
  auto below = make_loopback(timers);
  const auto executor = co_await asio::this_coro::executor;
  auto accepted =
      WebSocketStream::accept(std::move(below.second), executor, limits, timers, std::move(policy));
  Answered out;
  TaskGroup group(executor);
  group.spawn(read_accepted(*accepted, out.heard, out.error));
  group.spawn(send(*below.first, as_bytes(text)));
  if (then_end) {
    co_await timers.sleep_until(timers.now() + 1ms);
    below.first->end();
  }
  out.said = co_await everything_from(*below.first);
  co_await group.join();
  co_return out;
}

Answered said(const std::string& text, UpgradePolicy policy = {}, Limits limits = {}, bool then_end = false) {
  VirtualWorld world;
  return world.run(say(world.timers, text, std::move(policy), limits, then_end));
}

std::string request(const std::string& more = "", const std::string& host = "127.0.0.1:4900",
                    const std::string& version = "13", const std::string& key = "dGhlIHNhbXBsZSBub25jZQ==") {
  std::string out =
      "GET /some/path HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
  if (!key.empty()) out += "Sec-WebSocket-Key: " + key + "\r\n";
  return out + "Sec-WebSocket-Version: " + version + "\r\n" + more + "\r\n";
}

std::string status_of(const Answered& answered) { return answered.said.substr(0, 12); }

// A client's frame with a mask of zeros, which leaves the bytes as they are.
std::string frame(unsigned first, const std::string& body, bool masked = true, unsigned claimed = ~0u) {
  std::string out(1, static_cast<char>(first));
  const unsigned size = claimed == ~0u ? static_cast<unsigned>(body.size()) : claimed;
  const unsigned mask = masked ? 0x80 : 0;
  if (size < 126) {
    out += static_cast<char>(mask | size);
  } else {
    out += static_cast<char>(mask | 126);
    out += static_cast<char>(size >> 8);
    out += static_cast<char>(size);
  }
  if (masked) out += std::string(4, '\0');
  return out + body;
}

// The close code that ended what was said, 0 if none did.
unsigned close_code(const Answered& answered) {
  const auto& said = answered.said;
  const auto at = said.size() - 4;
  if (said.size() < 4 || static_cast<unsigned char>(said[at]) != 0x88 || said[at + 1] != 2) return 0;
  return static_cast<unsigned char>(said[at + 2]) * 256u + static_cast<unsigned char>(said[at + 3]);
}

}  // namespace

TEST_CASE("a WebSocket carries both directions and ends on both sides") {
  const auto split = seeded_random(7);
  carries({}, 300'000);
  carries({.delay = 40ms}, 300'000);
  carries({.buffer_bytes = 1'500, .split = split.get()}, 100'000);
  carries({.buffer_bytes = 7, .split = split.get()}, 5'000);
}

TEST_CASE("a request that is admitted is answered, and messages give their bytes without boundaries") {
  const auto answered =
      said(request() + frame(0x82, "ab") + frame(0x02, "c") + frame(0x00, "") + frame(0x80, "d") +
           frame(0x89, "!") + frame(0x82, "") + frame(0x82, "e") + frame(0x88, "\x03\xe8"));
  CHECK(status_of(answered) == "HTTP/1.1 101");
  CHECK(answered.said.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
  CHECK(answered.said.find("\x8a\x01!") != std::string::npos);  // the pong
  CHECK(answered.heard == "abcde");
  CHECK(close_code(answered) == 1000);
}

TEST_CASE("nothing is compressed, whatever is offered") {
  const auto answered =
      said(request("Sec-WebSocket-Extensions: permessage-deflate\r\n") + frame(0x88, "\x03\xe8"));
  CHECK(status_of(answered) == "HTTP/1.1 101");
  CHECK(answered.said.find("deflate") == std::string::npos);
}

TEST_CASE("a request that is not admitted gets its status") {
  CHECK(status_of(said(request("Origin: http://evil.example\r\n"))) == "HTTP/1.1 403");
  CHECK(status_of(said(request("Origin: null\r\n"))) == "HTTP/1.1 403");
  CHECK(status_of(said(request("", "rebound.example:4900"))) == "HTTP/1.1 403");
  CHECK(status_of(said(request("", "127.0.0.1:4900", "12"))) == "HTTP/1.1 426");
  CHECK(status_of(said(request("", "127.0.0.1:4900", "13", ""))) == "HTTP/1.1 400");
  CHECK(status_of(said(request("Host: other\r\n"))) == "HTTP/1.1 400");
  CHECK(status_of(said(request("Content-Length: 3\r\n"))) == "HTTP/1.1 400");
  CHECK(status_of(said(request("Content-Length: 3\r\nContent-Length: 4\r\n"))) == "HTTP/1.1 400");
  CHECK(status_of(said("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")) == "HTTP/1.1 426");
  CHECK(status_of(said("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")) == "HTTP/1.1 405");
  CHECK(status_of(said(request(), {.path = "/other"})) == "HTTP/1.1 404");
  CHECK(status_of(said("\x16\x03\x01 no HTTP\r\n\r\n")) == "HTTP/1.1 400");
  CHECK(status_of(said(request("X: " + std::string(64 * 1024, 'x') + "\r\n"))) == "HTTP/1.1 431");
  CHECK(said(request("Origin: null\r\n")).error == NetErrc::upgrade_refused);
}

TEST_CASE("a page of the host itself, and names and origins that are listed, are admitted") {
  const std::string bye = frame(0x88, "\x03\xe8");
  CHECK(status_of(said(request("Origin: http://127.0.0.1:4900\r\n") + bye)) == "HTTP/1.1 101");
  const UpgradePolicy listed{.hosts = {"sync.example"}, .origins = {"https://app.example"}};
  CHECK(status_of(said(request("Origin: https://app.example\r\n", "SYNC.example") + bye, listed)) ==
        "HTTP/1.1 101");
  CHECK(status_of(said(request("", "[::1]:4900") + bye)) == "HTTP/1.1 101");
  CHECK(status_of(said(request("", "LocalHost:1") + bye)) == "HTTP/1.1 101");
}

TEST_CASE("a stream that is closed before its request was whole says so") {
  VirtualWorld world;
  const auto run = [](Timers& timers) -> awaitable<std::string> {
    auto below = make_loopback(timers);
    const auto executor = co_await asio::this_coro::executor;
    auto accepted = WebSocketStream::accept(std::move(below.second), executor, {}, timers, {});
    co_await send(*below.first, as_bytes("GET / HT"));
    std::array<std::byte, 1> none{};
    CHECK(is_would_block(accepted->try_read(none).error()));
    accepted->close();
    co_return co_await everything_from(*below.first);
  };
  CHECK(world.run(run(world.timers)).substr(0, 12) == "HTTP/1.1 408");
}

TEST_CASE("who breaks the rules of WebSocket is told with which code") {
  CHECK(close_code(said(request() + frame(0x81, "text"))) == 1003);
  CHECK(said(request() + frame(0x81, "text")).error == NetErrc::text_message);
  CHECK(close_code(said(request() + frame(0x82, "bare", false))) == 1002);
  CHECK(close_code(said(request() + frame(0xc2, "rsv1"))) == 1002);
  CHECK(close_code(said(request() + frame(0x83, "opcode"))) == 1002);
  CHECK(close_code(said(request() + frame(0x09, "part of a ping"))) == 1002);
  CHECK(close_code(said(request() + frame(0x89, std::string(126, 'x')))) == 1002);
  CHECK(close_code(said(request() + frame(0x80, "nothing to go on from"))) == 1002);
}

TEST_CASE("a message has a most, however it is cut into fragments") {
  Limits limits;
  limits.websocket_message_bytes = 1000;
  CHECK(close_code(said(request() + frame(0x82, std::string(1001, 'x')), {}, limits)) == 1009);
  std::string endless = frame(0x02, "x");
  for (int i = 0; i < 20; ++i) endless += frame(0x00, std::string(100, 'x'));
  CHECK(close_code(said(request() + endless, {}, limits)) == 1009);
}

TEST_CASE("control frames have a rate, and whoever floods them is told") {
  std::string flood = request();
  for (int i = 0; i < 100; ++i) flood += frame(0x89, "");
  const auto polite = said(flood + frame(0x82, "x") + frame(0x88, "\x03\xe8"));
  CHECK(polite.heard == "x");
  CHECK(close_code(polite) == 1000);
  for (int i = 0; i < 10'000; ++i) flood += frame(0x89, "");
  const auto answered = said(flood);
  CHECK(answered.error == NetErrc::control_flood);
  CHECK(close_code(answered) == 1008);
  CHECK(answered.said.size() < 1000);
}

TEST_CASE("empty fragments without end keep nobody waiting and hold nothing") {
  std::string endless = frame(0x02, "x");
  for (int i = 0; i < 5'000; ++i) endless += frame(0x00, "");
  CHECK(said(request() + endless, {}, {}, true).heard == "x");
}

TEST_CASE("an answer that is no upgrade fails the dial by name") {
  const auto dial = [](Timers& timers, std::string answer) -> awaitable<Error> {
    auto below = make_loopback(timers);
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(send(*below.second, as_bytes(answer)));
    const Address address{.scheme = Scheme::ws, .host = "127.0.0.1", .port = 1};
    const Limits limits;
    auto stream = co_await WebSocketStream::connect(std::move(below.first), address, limits, timers);
    co_await group.join();
    co_return stream ? Error() : stream.error();
  };
  VirtualWorld world;
  CHECK(world.run(dial(world.timers, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) ==
        NetErrc::upgrade_refused);
  CHECK(world.run(dial(world.timers, "SSH-2.0-OpenSSH\r\n\r\n")) == NetErrc::bad_upgrade);
  CHECK(world.run(dial(world.timers,
                       "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")) ==
        NetErrc::bad_upgrade);
}
