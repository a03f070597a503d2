#include "tests/hostile/hostile_world.hpp"

#include <boost/asio/co_spawn.hpp>

namespace sheaf::test {
namespace {

template <class T>
awaitable<void> keep(awaitable<T> work, std::optional<T>& out) {
  out.emplace(co_await std::move(work));
}

awaitable<void> note(awaitable<void> work, bool& ended) {
  co_await std::move(work);
  ended = true;
}

}  // namespace

template <class T>
T HostileWorld::run(awaitable<T> work) {
  std::optional<T> out;
  spawn(keep(std::move(work), out));
  REQUIRE_MESSAGE(until([&] { return out.has_value(); }, std::chrono::minutes(1)),
                  "the work comes to an end");
  return std::move(*out);
}
template Result<CoreInfo> HostileWorld::run(awaitable<Result<CoreInfo>>);
template Result<Buffer> HostileWorld::run(awaitable<Result<Buffer>>);
template Result<Length> HostileWorld::run(awaitable<Result<Length>>);
template Result<void> HostileWorld::run(awaitable<Result<void>>);
template Result<SessionSummary> HostileWorld::run(awaitable<Result<SessionSummary>>);
template Result<Address> HostileWorld::run(awaitable<Result<Address>>);
template Result<Core> HostileWorld::run(awaitable<Result<Core>>);
template Result<std::unique_ptr<Node>> HostileWorld::run(awaitable<Result<std::unique_ptr<Node>>>);

HostileWorld::HostileWorld(NodeOptions options, std::size_t threads)
    : honest_store_(memory_backend({.random = random_.get()})) {
  if (threads > 0) threads_.emplace(threads);
  REQUIRE(honest_store_->open().has_value());
  honest_ = *run(Node::open(*honest_store_, environment()));
  if (!options.allow_peers.empty()) options.allow_peers.push_back(honest_->identity());
  auto opened = run(Node::open(folder_ / "victim", true, environment(), std::move(options)));
  REQUIRE(opened.has_value());
  victim_ = std::move(*opened);
  spawn(listen_to_events());
  own_.emplace(*run(victim_->create_core("own")));
  append_own(own_blocks);
  followed_.emplace(*run(victim_->follow(writer.key)));
  address_ = *run(victim_->listen(Address{.host = "127.0.0.1"}));
  web_address_ = *run(victim_->listen(Address{.scheme = Scheme::ws, .host = "127.0.0.1"}));

  copy_.emplace(*run(honest_->follow(own_->key())));
  spawn(keep_connected());
  REQUIRE(until([&] { return honest_has(own_length_); }));
  memory_before_ = resident_bytes();
  descriptors_before_ = open_descriptors();
  forget_peak();
}

HostileWorld::~HostileWorld() {
  run(honest_->close());
  run(victim_->close());
}

Environment HostileWorld::environment() {
  Environment out;
  out.executor = io_.get_executor();
  out.timers = &timers_;
  out.pool = threads_ ? static_cast<Pool*>(&*threads_) : &inline_;
  out.random = random_.get();
  out.boot_id = "boot";
  return out;
}

bool HostileWorld::turn(bool patient) {
  if (io_.stopped()) io_.restart();
  const bool busy =
      threads_ && threads_->busy();  // asked first: what a thread does is posted before it is not
  std::size_t done = 0;
  while (done < 256 && io_.poll_one() > 0) ++done;
  if (done > 0 || !patient) return done > 0;
  if (io_.stopped()) io_.restart();
  return io_.run_one_for(std::chrono::milliseconds(1)) > 0 || busy;
}

void HostileWorld::spawn(awaitable<void> work) {
  boost::asio::co_spawn(io_, std::move(work), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
}

void HostileWorld::run(awaitable<void> work) {
  bool over = false;
  spawn(note(std::move(work), over));
  REQUIRE_MESSAGE(until([&] { return over; }, std::chrono::minutes(1)), "the work comes to an end");
}

awaitable<void> HostileWorld::listen_to_events() {
  for (;;) {
    auto event = co_await victim_->next_event();
    if (!event) co_return;
    if (event->kind == NodeEvent::Kind::session_ended) endings_.emplace_back(event->remote, event->summary);
    if (event->kind == NodeEvent::Kind::core_frozen) frozen_ = true;
  }
}

awaitable<void> HostileWorld::keep_connected() {
  honest_ended_.emplace(co_await honest_->connect(address_, Until::ended));
}

std::optional<SessionSummary> HostileWorld::ended(const std::string& remote) const {
  for (const auto& [name, summary] : endings_)
    if (name == remote) return summary;
  return std::nullopt;
}

std::size_t HostileWorld::sessions_ended(SessionEnd reason) const {
  return static_cast<std::size_t>(std::count_if(
      endings_.begin(), endings_.end(), [&](const auto& end) { return end.second.reason == reason; }));
}

CoreInfo HostileWorld::info(Core& core) {
  auto out = run(core.info());
  REQUIRE(out.has_value());
  return *out;
}

Buffer HostileWorld::own_block(std::uint64_t index) {
  Buffer out(own_block_bytes);
  seeded_random(index + 1)->fill(out);
  return out;
}

void HostileWorld::append_own(std::uint64_t count) {
  std::vector<Buffer> blocks;
  std::vector<Bytes> views;
  for (std::uint64_t i = 0; i < count; ++i) blocks.push_back(own_block(own_length_ + i));
  for (const Buffer& block : blocks) views.push_back(block);
  REQUIRE(run(own_->append(views)).has_value());
  own_length_ += count;
}

bool HostileWorld::honest_has(std::uint64_t length) { return info(*copy_).local == Length{length}; }

bool HostileWorld::tells_the_truth() {
  const CoreInfo now = info(*followed_);
  if (now.length.value > 0 && !writer.states.contains({now.fork.value, now.length.value})) return false;
  Length held;
  for (std::uint64_t i = 0; i < now.length.value; ++i) {
    const auto block = run(followed_->get(BlockIndex{i}, Core::From::here));
    if (!block) continue;
    if (i >= writer.blocks.size() || !equal(*block, writer.blocks[i])) return false;
    ++held.value;
  }
  return held == now.local;
}

void HostileWorld::unharmed(std::size_t growth) {
  const std::size_t peak = peak_bytes();
  if (memory_is_telling) CHECK(peak <= memory_before_ + growth);
  CHECK(until([&] { return open_descriptors() <= descriptors_before_; }, std::chrono::seconds(2)));
  CHECK_FALSE(honest_ended_.has_value());
  append_own(1);
  CHECK(until([&] { return honest_has(own_length_); }));
  bool same = true;
  for (std::uint64_t i = 0; i < own_length_; ++i) {
    const auto ours = run(own_->get(BlockIndex{i}, Core::From::here));
    const auto theirs = run(copy_->get(BlockIndex{i}, Core::From::here));
    same = same && ours && theirs && equal(*ours, own_block(i)) && equal(*theirs, own_block(i));
  }
  CHECK(same);
  CHECK(tells_the_truth());
  std::map<std::string, std::size_t> told;
  for (const auto& [remote, summary] : endings_) ++told[remote];
  for (const auto& one : told)
    if (const auto known = connections_.find(one.first); known != connections_.end()) {
      CAPTURE(one.first);
      CHECK(one.second <= known->second);
    }
}

}  // namespace sheaf::test
