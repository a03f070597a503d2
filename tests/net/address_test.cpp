// Addresses as people write them, and how long to wait before the next try.
#include "sheaf/net/address.hpp"

#include <chrono>

#include <doctest/doctest.h>

#include "net/backoff.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/protocol/key_text.hpp"

using namespace sheaf;
using namespace std::chrono_literals;

namespace {

const std::string hex_key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

}  // namespace

TEST_CASE("addresses name a scheme, perhaps a key, a host, a port, and for ws a path") {
  struct Row {
    const char* text;
    Scheme scheme;
    const char* host;
    int port;
    const char* path;
  };
  const Row rows[] = {
      {"tcp://127.0.0.1:4900", Scheme::tcp, "127.0.0.1", 4900, ""},
      {"tcp://peer.example.org:1", Scheme::tcp, "peer.example.org", 1, ""},
      {"tcp://my_host-2:65535", Scheme::tcp, "my_host-2", 65535, ""},
      {"tcp://0.0.0.0:0", Scheme::tcp, "0.0.0.0", 0, ""},
      {"tcp://[::1]:4900", Scheme::tcp, "::1", 4900, ""},
      {"tcp://[2001:db8::7]:80", Scheme::tcp, "2001:db8::7", 80, ""},
      {"ws://localhost:4901", Scheme::ws, "localhost", 4901, ""},
      {"ws://localhost:4901/", Scheme::ws, "localhost", 4901, "/"},
      {"ws://localhost:4901/@me", Scheme::ws, "localhost", 4901, "/@me"},
      {"ws://[::]:4901/a/b?c=d", Scheme::ws, "::", 4901, "/a/b?c=d"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto address = parse_address(row.text);
    REQUIRE(address.has_value());
    CHECK(address->scheme == row.scheme);
    CHECK(address->host == row.host);
    CHECK(address->port == row.port);
    CHECK(address->path == row.path);
    CHECK(!address->key);
    CHECK(to_string(*address) == row.text);
  }
}

TEST_CASE("an address takes the key in each of its forms and prints it as hex") {
  const auto key = *key_from_text<PublicKey>(hex_key);
  const std::string z = to_z_base_32(key.bytes());
  for (const std::string& form : {hex_key, z, "pear://" + hex_key, "pear://" + z, "pear://" + z + "/app"}) {
    CAPTURE(form);
    for (const std::string rest : {"@host:1", "@[::1]:1"}) {
      const auto address = parse_address("tcp://" + form + rest);
      REQUIRE(address.has_value());
      CHECK(address->key == key);
      CHECK(to_string(*address) == "tcp://" + hex_key + rest);
    }
  }
}

TEST_CASE("what is no address is refused by the part that is wrong") {
  struct Row {
    std::string text;
    NetErrc error;
  };
  const Row rows[] = {
      {"", NetErrc::bad_address},
      {"host:1", NetErrc::bad_address},
      {"http://host:1", NetErrc::bad_address},
      {"TCP://host:1", NetErrc::bad_address},
      {"tcp:/host:1", NetErrc::bad_address},
      {"tcp://host:1/path", NetErrc::bad_address},
      {"ws://host:1/a b", NetErrc::bad_address},
      {"ws://host:1/\xc3\xa4", NetErrc::bad_address},
      {"tcp://" + std::string(2'000, 'a') + ":1", NetErrc::bad_address},
      {"tcp://", NetErrc::bad_port},
      {"tcp://host", NetErrc::bad_port},
      {"tcp://host:", NetErrc::bad_port},
      {"tcp://host:65536", NetErrc::bad_port},
      {"tcp://host:-1", NetErrc::bad_port},
      {"tcp://host:+1", NetErrc::bad_port},
      {"tcp://host:1x", NetErrc::bad_port},
      {"tcp://host: 1", NetErrc::bad_port},
      {"tcp://host:1:2", NetErrc::bad_port},
      {"tcp://[::1]", NetErrc::bad_port},
      {"tcp://[::1]4900", NetErrc::bad_port},
      {"tcp://:1", NetErrc::bad_host},
      {"tcp://::1:1", NetErrc::bad_host},
      {"tcp://[]:1", NetErrc::bad_host},
      {"tcp://[::1:1", NetErrc::bad_host},
      {"tcp://[127.0.0.1]:1", NetErrc::bad_host},
      {"tcp://[host]:1", NetErrc::bad_host},
      {"tcp://ho st:1", NetErrc::bad_host},
      {std::string("tcp://ho\0st:1", 13), NetErrc::bad_host},
      {"tcp://" + std::string(254, 'a') + ":1", NetErrc::bad_host},
      {"tcp://@host:1", NetErrc::bad_key},
      {"tcp://key@host:1", NetErrc::bad_key},
      {"tcp://" + hex_key + "0@host:1", NetErrc::bad_key},
      {"tcp://" + hex_key + "@" + hex_key + "@host:1", NetErrc::bad_host},
      {"stdio:", NetErrc::scheme_not_available},
      {"exec:", NetErrc::bad_address},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto address = parse_address(row.text);
    REQUIRE(address.has_error());
    CHECK(address.error().message() == Error(row.error).message());
  }
}

TEST_CASE("the wait before the next try doubles up to its cap, half fixed and half drawn") {
  const Backoff backoff{.first = 200ms, .most = 60s};
  const auto most = ~std::uint64_t{0};
  struct Row {
    std::uint64_t failures;
    Duration whole;
  };
  const Row rows[] = {{1, 200ms}, {2, 400ms}, {3, 800ms}, {8, 25'600ms}, {9, 51'200ms},
                      {10, 60s},  {64, 60s},  {65, 60s},  {most, 60s}};
  for (const auto& row : rows) {
    CAPTURE(row.failures);
    CHECK(backoff_delay(row.failures, 0, backoff) == row.whole / 2);
    const auto half = static_cast<std::uint64_t>(row.whole.count() / 2);
    CHECK(backoff_delay(row.failures, half, backoff) == row.whole);
    CHECK(backoff_delay(row.failures, half + 1, backoff) == row.whole / 2);
    CHECK(backoff_delay(row.failures, most, backoff) >= row.whole / 2);
    CHECK(backoff_delay(row.failures, most, backoff) <= row.whole);
  }
  CHECK(backoff_delay(0, most, backoff) == 0s);
}

TEST_CASE("the wait never overflows, whatever its bounds") {
  const Backoff endless{.first = 1ns, .most = Duration::max()};
  CHECK(backoff_delay(~std::uint64_t{0}, 0, endless) == Duration::max() - Duration::max() / 2);
  CHECK(backoff_delay(63, ~std::uint64_t{0}, endless) > 0s);
  CHECK(backoff_delay(5, 3, Backoff{.first = 0s, .most = 0s}) == 0s);
  CHECK(backoff_delay(5, 3, Backoff{.first = 1ns, .most = 1ns}) == 1ns);
}
