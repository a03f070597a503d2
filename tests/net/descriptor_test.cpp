// Streams that are descriptors, a command as the other side, and who begins on a stream that nobody dialled.
#include <array>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/dialer.hpp"
#include "net/loopback_stream.hpp"
#include "net/task_group.hpp"
#include "sheaf/net/descriptor_stream.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/role_agreement.hpp"
#include "tests/conformance/sheaf/conformance/results.hpp"
#include "tests/support/worlds.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;

namespace {

struct Descriptors {
  std::array<int, 2> ends{-1, -1};
  ~Descriptors() {
    for (const int end : ends) ::close(end);
  }
};

awaitable<void> send(ByteStream& stream, Bytes bytes) { (co_await write_all(stream, bytes)).value(); }

awaitable<bool> carries(ByteStream& from, ByteStream& to, std::size_t size) {
  Buffer bytes(size), heard(size);
  seeded_random(1)->fill(bytes);
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(send(from, bytes));
  const auto read = co_await read_all(to, heard);
  co_await group.join();
  co_return read&& equal(bytes, heard);
}

awaitable<std::string> read_to_end(ByteStream& stream) {
  std::string out;
  std::array<std::byte, 100> piece{};
  for (;;) {
    const auto taken = co_await read_some(stream, piece);
    if (!taken || *taken == 0) co_return out;
    out += as_text(Bytes(piece).first(*taken));
  }
}

awaitable<void> agree(std::unique_ptr<ByteStream> stream, RandomSource& random, Timers& timers,
                      std::optional<Result<AgreedRole>>& out) {
  out.emplace(co_await agree_on_role(std::move(stream), random, timers));
}

using Agreement = std::optional<Result<AgreedRole>>;

awaitable<bool> both_agree(Timers& timers, std::uint64_t seed_a, std::uint64_t seed_b, Agreement& a,
                           Agreement& b) {
  const auto random_a = seeded_random(seed_a), random_b = seeded_random(seed_b);
  auto pair = make_loopback(timers);
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(agree(std::move(pair.first), *random_a, timers, a));
  group.spawn(agree(std::move(pair.second), *random_b, timers, b));
  co_await group.join();
  co_return true;
}

// What agreeing comes to when the other side says this and, if so, ends.
awaitable<Agreement> agree_with(Timers& timers, std::string said, bool then_end) {
  auto pair = make_loopback(timers);
  const auto random = seeded_random(1);
  co_await send(*pair.second, as_bytes(said));
  if (then_end) pair.second->end();
  Agreement out;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(agree(std::move(pair.first), *random, timers, out));
  co_await group.join();
  co_return out;
}

Error error_with(const std::string& said, bool then_end = false) {
  VirtualWorld world;
  const Agreement out = world.run(agree_with(world.timers, said, then_end));
  return out->has_error() ? out->error() : Error();
}

// A length of 32 and as many bytes.
std::string first_flight() {
  std::string out(35, 'e');
  out[0] = 32;
  out[1] = out[2] = 0;
  return out;
}

}  // namespace

TEST_CASE("pipes, and one socket for both ways, carry bytes to their end") {
  RealWorld world;
  Descriptors there, back, socket;
  REQUIRE(::pipe2(there.ends.data(), O_CLOEXEC) == 0);
  REQUIRE(::pipe2(back.ends.data(), O_CLOEXEC) == 0);
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket.ends.data()) == 0);
  const auto executor = world.io.get_executor();
  auto a = descriptor_stream(executor, back.ends[0], there.ends[1], "stdio:").value();
  auto b = descriptor_stream(executor, there.ends[0], back.ends[1], "stdio:").value();
  auto c = descriptor_stream(executor, socket.ends[0], socket.ends[0], "stdio:").value();
  auto d = descriptor_stream(executor, socket.ends[1], socket.ends[1], "stdio:").value();
  CHECK(world.run(carries(*a, *b, 1'000'000)));
  CHECK(world.run(carries(*b, *a, 1'000'000)));
  CHECK(world.run(carries(*c, *d, 1'000'000)));
  CHECK(world.run(carries(*d, *c, 1'000'000)));
  CHECK(c->remote() == "stdio:");
  c->end();
  CHECK(world.run(read_to_end(*d)).empty());
  a->close();
  std::array<std::byte, 1> none{};
  CHECK(a->try_read(none).error() == NetErrc::closed);
  CHECK(is_would_block(b->try_read(none).error()));  // the caller's own end of the pipe is still open
}

TEST_CASE("the open file that others share is as it was once the stream has gone") {
  RealWorld world;
  Descriptors pipe;
  REQUIRE(::pipe2(pipe.ends.data(), O_CLOEXEC) == 0);
  auto stream = descriptor_stream(world.io.get_executor(), pipe.ends[0], pipe.ends[1], "stdio:");
  REQUIRE(stream.has_value());
  CHECK((::fcntl(pipe.ends[0], F_GETFL) & O_NONBLOCK) != 0);
  stream->reset();
  CHECK((::fcntl(pipe.ends[0], F_GETFL) & O_NONBLOCK) == 0);
  CHECK((::fcntl(pipe.ends[1], F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a file on disk cannot be waited for, and says so") {
  RealWorld world;
  Descriptors file;
  file.ends[0] = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const auto stream = descriptor_stream(world.io.get_executor(), file.ends[0], file.ends[0], "stdio:");
  CHECK(stream.error() == boost::system::errc::operation_not_permitted);
}

TEST_CASE("a command is dialled: what it writes is read, what is written it reads, and nobody waits for it") {
  RealWorld world;
  TcpDialer dialer(world.io.get_executor(), world.timers);
  const auto talk = [](Dialer& dialer) -> awaitable<std::string> {
    Address address{.scheme = Scheme::exec};
    address.command = "read line; echo \"heard $line\"";
    auto stream = (co_await dialer.dial(address)).value();
    co_await send(*stream, as_bytes(std::string_view("hello\n")));
    co_return co_await read_to_end(*stream);
  };
  CHECK(world.run(talk(dialer)) == "heard hello\n");
}

TEST_CASE("the larger number begins, and nothing of the agreement is left to be read") {
  VirtualWorld world;
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    Agreement a, b;
    world.run(both_agree(world.timers, seed, seed + 100, a, b));
    REQUIRE((a->has_value() && b->has_value()));
    CHECK((*a)->initiator != (*b)->initiator);
    CHECK(world.run(carries(*(*a)->stream, *(*b)->stream, 1000)));
  }
}

TEST_CASE("equal numbers, other bytes, an end and silence are no agreement") {
  VirtualWorld world;
  Agreement a, b;
  world.run(both_agree(world.timers, 5, 5, a, b));
  CHECK(a->error() == NetErrc::equal_roles);
  CHECK(b->error() == NetErrc::equal_roles);
  CHECK(error_with("hello, who is there?") == NetErrc::no_agreement);
  CHECK(error_with(std::string("SHEAF\0\0\2", 8) + std::string(16, 'x')) == NetErrc::no_agreement);
  CHECK(error_with(std::string("SHEAF\0\0\1", 8), true) == NetErrc::no_agreement);
  CHECK(error_with("") == NetErrc::no_agreement);  // after 10 s
}

TEST_CASE("whoever hears a handshake begin is the responder, and hears all of it") {
  VirtualWorld world;
  Agreement out = world.run(agree_with(world.timers, first_flight(), true));
  REQUIRE(out->has_value());
  CHECK(!(*out)->initiator);
  CHECK(world.run(read_to_end(*(*out)->stream)) == first_flight());
}

TEST_CASE("a side whose role was given passes over an agreement and over nothing else") {
  VirtualWorld world;
  const auto hear = [](Timers& timers, std::string said) -> awaitable<std::string> {
    const auto split = seeded_random(3);
    auto pair = make_loopback(timers, {}, {.split = split.get()});
    co_await send(*pair.second, as_bytes(said));
    pair.second->end();
    auto stream = without_agreement(std::move(pair.first));
    co_return co_await read_to_end(*stream);
  };
  const std::string agreement = std::string("SHEAF\0\0\1", 8) + std::string(16, 'r');
  CHECK(world.run(hear(world.timers, agreement + "rest")) == "rest");
  CHECK(world.run(hear(world.timers, agreement + agreement)) == agreement);
  CHECK(world.run(hear(world.timers, "SHEA")) == "SHEA");
  CHECK(world.run(hear(world.timers, "SHEAR and more than 24 bytes of it")) ==
        "SHEAR and more than 24 bytes of it");
  CHECK(world.run(hear(world.timers, "")).empty());
}
