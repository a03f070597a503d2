// Two nodes with everything real: TCP, the clock, a pool of threads, stores on disk, and an executor that
// three threads run. Whatever a caller does at the same time, from whatever thread, is done once and in some
// order. ThreadSanitizer runs this program too: what it would find here is a race of the product.
#include <algorithm>
#include <future>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include "sheaf/engine/environment.hpp"
#include "sheaf/engine/error.hpp"
#include "sheaf/engine/node.hpp"
#include "tests/support/scratch_folder.hpp"

using namespace sheaf;
using namespace sheaf::test;
using boost::asio::awaitable;

namespace {

Buffer numbered_block(std::uint64_t number, std::size_t size = 700) {
  Buffer out(size);
  seeded_random(number + 1)->fill(out);
  return out;
}

class Machine {
 public:
  explicit Machine(const std::string& folder) : node_(get(Node::open(folder, true, environment_.get()))) {}
  ~Machine() { close(); }

  Node& node() { return *node_; }

  // Begins it on the threads of this machine; the future has what it gives.
  template <class T>
  std::future<T> begin(awaitable<T> work) {
    std::promise<T> given;
    std::future<T> out = given.get_future();
    boost::asio::co_spawn(threads_, give(std::move(work), std::move(given)), boost::asio::detached);
    return out;
  }
  // What it gives, which has to be a value.
  template <class T>
  T get(awaitable<Result<T>> work) {
    auto out = begin(std::move(work)).get();
    REQUIRE_MESSAGE(out.has_value(), out.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*out);
  }

  void close() { boost::asio::co_spawn(threads_, node_->close(), boost::asio::use_future).get(); }

 private:
  template <class T>
  static awaitable<void> give(awaitable<T> work, std::promise<T> to) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);  // cancelling is told by value here
    to.set_value(co_await std::move(work));
  }

  boost::asio::thread_pool threads_{3};
  SystemEnvironment environment_{threads_.get_executor(), 2};
  std::unique_ptr<Node> node_;
};

awaitable<Result<void>> append_many(Core& core, std::uint64_t first, std::size_t calls, std::size_t a_call) {
  for (std::size_t call = 0; call < calls; ++call) {
    std::vector<Buffer> blocks;
    for (std::size_t i = 0; i < a_call; ++i) blocks.push_back(numbered_block(first + call * a_call + i));
    const std::vector<Bytes> views(blocks.begin(), blocks.end());
    if (auto done = co_await core.append(views); !done) co_return done.error();
  }
  co_return Result<void>();
}

awaitable<Result<std::uint64_t>> read_all(Core& core, std::uint64_t count) {
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto block = co_await core.get(BlockIndex{i}, Core::From::future);
    if (!block) co_return block.error();
    bytes += block->size();
  }
  co_return bytes;
}

// Waits for the event; the node wakes us, and what does not come fails at the test's own time limit.
awaitable<Result<void>> until_length(CoreEvents& events, Core& core, Length length, Fork fork) {
  for (;;) {
    auto info = co_await core.info();
    if (!info) co_return info.error();
    if (info->length == length && info->fork == fork && info->contiguous == length) co_return Result<void>();
    if (auto event = co_await events.next(); !event) co_return event.error();
  }
}

struct Pair {
  ScratchFolder folder;
  Machine writer{folder / "writer"};
  Machine reader{folder / "reader"};
  Core log = writer.get(writer.node().create_core("log"));
  Core copy = reader.get(reader.node().follow(log.key()));
  Address address = writer.get(writer.node().listen(Address{.host = "127.0.0.1"}));
};

}  // namespace

TEST_CASE("appends of many callers, their reading by others, and a peer's fetching all go on at once") {
  constexpr std::uint64_t each = 300;
  Pair pair;
  auto link = pair.reader.begin(pair.reader.node().connect(pair.address, Until::closed));
  std::vector<std::future<Result<void>>> appends;
  for (std::uint64_t caller = 0; caller < 4; ++caller)
    appends.push_back(pair.writer.begin(append_many(pair.log, caller * each, each / 10, 10)));
  std::vector<std::future<Result<std::uint64_t>>> reads;
  reads.push_back(pair.writer.begin(read_all(pair.log, 4 * each)));
  for (int i = 0; i < 2; ++i) reads.push_back(pair.reader.begin(read_all(pair.copy, 4 * each)));
  for (auto& append : appends) CHECK(append.get().has_value());
  for (auto& read : reads) {
    const auto bytes = read.get();
    REQUIRE(bytes.has_value());
    CHECK(*bytes == 4 * each * 700);
  }
  // Each block is there once, and in the same place on both sides.
  std::vector<Buffer> stored, expected;
  for (std::uint64_t i = 0; i < 4 * each; ++i) {
    stored.push_back(pair.writer.get(pair.log.get(BlockIndex{i}, Core::From::here)));
    expected.push_back(numbered_block(i));
    CHECK(equal(stored.back(), pair.reader.get(pair.copy.get(BlockIndex{i}, Core::From::here))));
  }
  std::ranges::sort(stored);
  std::ranges::sort(expected);
  CHECK(stored == expected);
  pair.reader.close();
  CHECK(link.get().has_value());
}

TEST_CASE("a writer truncates, appends and clears while a reader follows: both end with the same history") {
  Pair pair;
  CoreEvents events = pair.reader.get(pair.copy.watch());
  auto link = pair.reader.begin(pair.reader.node().connect(pair.address, Until::closed));
  Length length;
  for (std::uint64_t round = 0; round < 8; ++round) {
    auto append = pair.writer.begin(append_many(pair.log, 1000 * round, 5, 10));
    auto read = pair.reader.begin(pair.copy.get(BlockIndex{length.value}, Core::From::future));
    CHECK(append.get().has_value());
    length.value += 50;
    CHECK(read.get().has_value());
    auto truncate = pair.writer.begin(pair.log.truncate(Length{length.value - 20}));
    auto clear = pair.reader.begin(pair.copy.clear({{0}, {5}}));
    CHECK(truncate.get().has_value());
    CHECK(clear.get().has_value());
    length.value -= 20;
  }
  CHECK(pair.reader.begin(until_length(events, pair.copy, length, Fork{8})).get().has_value());
  for (std::uint64_t i = 0; i < length.value; ++i)
    CHECK(equal(pair.writer.get(pair.log.get(BlockIndex{i}, Core::From::here)),
                pair.reader.get(pair.copy.get(BlockIndex{i}))));
  pair.reader.close();
  CHECK(link.get().has_value());
}

TEST_CASE("a node that closes while all of it is busy ends everything, and what was acknowledged is there") {
  ScratchFolder folder;
  CoreKey key;
  std::uint64_t acknowledged = 0;
  {
    Machine writer(folder / "writer"), reader(folder / "reader");
    Core log = writer.get(writer.node().create_core("log"));
    key = log.key();
    Core copy = reader.get(reader.node().follow(key));
    const Address address = writer.get(writer.node().listen(Address{.host = "127.0.0.1"}));
    auto link = reader.begin(reader.node().connect(address, Until::closed));
    auto more = [&]() -> awaitable<Result<Length>> {
      Result<Length> last = Length{};
      for (std::uint64_t i = 0;; ++i) {
        const Buffer block = numbered_block(i);
        auto done = co_await log.append(block);
        if (!done) co_return last;
        last = done;
      }
    };
    auto appending = writer.begin(more());
    auto waiting = reader.begin(copy.get(BlockIndex{1'000'000}, Core::From::future));
    auto downloading = reader.begin(copy.download({{0}, Core::no_end}));
    CHECK(reader.begin(read_all(copy, 200)).get().has_value());
    // The writer first, the reader in the middle of what it fetches.
    writer.close();
    const auto last = appending.get();
    REQUIRE(last.has_value());
    acknowledged = last->value;
    reader.close();
    CHECK(waiting.get().error() == EngineErrc::closed);
    CHECK(downloading.get().error() == EngineErrc::closed);
    CHECK(link.get().has_value());
  }
  CHECK(acknowledged >= 200);
  Machine again(folder / "writer");
  Core log = again.get(again.node().core(key));
  CHECK(again.get(log.info()).length >= Length{acknowledged});
  for (std::uint64_t i = 0; i < acknowledged; ++i)
    REQUIRE(equal(again.get(log.get(BlockIndex{i}, Core::From::here)), numbered_block(i)));
}
