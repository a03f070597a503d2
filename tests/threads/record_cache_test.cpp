// Records in memory on real threads: readers beside a writer never see less than what was acknowledged.
#include "storage/record_cache.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace sheaf;

namespace {

constexpr std::size_t keys = 300;

std::string key_of(std::size_t key) { return "key " + std::to_string(key); }

Bytes bytes_of(const std::uint64_t& number) { return std::as_bytes(std::span(&number, 1)); }

std::uint64_t number_of(Bytes bytes) {
  std::uint64_t number = 0;
  if (bytes.size() == sizeof number) std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

// What the cache stands before: a number of each key, which only grows.
struct Medium {
  std::array<std::atomic<std::uint64_t>, keys> written{};
  std::array<std::atomic<std::uint64_t>, keys> acknowledged{};
};

}  // namespace

TEST_CASE("readers beside a writer never find an older record than was acknowledged before they asked") {
  RecordCache cache({.bytes = 64 * 1024});  // full every thousand records, so that generations turn
  Medium medium;
  std::atomic<bool> over{false};
  std::atomic<std::size_t> too_old{0}, too_new{0}, found{0};
  std::vector<std::thread> readers;
  for (std::size_t reader = 0; reader < 3; ++reader)
    readers.emplace_back([&, reader] {
      Buffer out;
      for (std::size_t i = reader; !over; i += 7) {
        const std::size_t key = i % keys;
        const std::string name = key_of(key);
        const std::uint64_t least = medium.acknowledged[key];
        out.clear();
        if (cache.find(as_bytes(name), out)) {
          ++found;
        } else {
          const std::uint64_t begun = cache.begin_read();
          const std::uint64_t read = medium.written[key];
          std::this_thread::yield();  // so that writes come in between
          cache.end_read(begun, as_bytes(name), bytes_of(read));
          append(out, bytes_of(read));
        }
        if (number_of(out) < least) ++too_old;
        if (number_of(out) > medium.written[key]) ++too_new;
      }
    });

  // One writer, as a store has: each batch some keys, and now and then one that fails.
  std::uint64_t number = 0;
  for (std::size_t round = 0; round < 20'000 || found < 1'000; ++round) {
    ++number;
    std::vector<std::size_t> changed;
    for (std::size_t i = 0; i < 1 + round % 4; ++i) changed.push_back((round * 13 + i * 101) % keys);
    std::vector<std::string> names;
    for (const std::size_t key : changed) names.push_back(key_of(key));
    Batch batch;
    for (const std::string& name : names) batch.put(as_bytes(name), bytes_of(number));
    cache.begin_write(batch);
    for (const std::size_t key : changed) medium.written[key] = number;
    cache.end_write(batch, round % 1'000 != 999);
    for (const std::size_t key : changed) medium.acknowledged[key] = number;
  }
  over = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(too_old == 0);
  CHECK(too_new == 0);
}
