#include "engine/session/session.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf {
namespace {

// A peer that announced nothing new and asked nothing for so long has said what it had to say.
constexpr Duration quiet = std::chrono::seconds(2);
// How long a peer may owe an answer before another is asked.
constexpr Duration answer_limit = std::chrono::seconds(5);
// How soon a peer that owes answers which nobody else has is looked at again.
constexpr Duration answer_again = std::chrono::seconds(1);

SecretStream::Options stream_options(const Session::Options& options) {
  SecretStream::Options out;
  out.role = options.role;
  out.static_key = options.identity;
  out.expected_remote = options.expected_remote;
  out.admits = options.admits;
  return out;
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Session::Session(NodeContext& node, CoreRegistry& cores, std::unique_ptr<ByteStream> stream, Options options)
    : node_(node),
      cores_(cores),
      stream_(std::move(stream)),
      options_(std::move(options)),
      machine_(node.limits, node.slabs, node.random, stream_options(options_), node.timers.now()),
      pump_(machine_, *stream_, node.timers, *this),
      tasks_(node.strand),
      last_heard_(node.timers.now()) {
  ++node_.connecting;
}

Session::~Session() = default;

std::optional<PublicKey> Session::remote_key() const {
  return machine_.secured() ? std::optional(machine_.remote_key()) : std::nullopt;
}

boost::asio::awaitable<SessionSummary> Session::run() {
  if (options_.until == Until::complete) tasks_.spawn(watch_completion());
  const PumpEnding ending = co_await pump_.run();
  if (!machine_.finished()) {
    machine_.end(ending.why == PumpEnding::Why::cancelled ? SessionEnd::local_ended
                                                          : SessionEnd::stream_error);
    drain();
  }
  tasks_.cancel();
  co_await tasks_.join();
  while (!channels_.empty()) forget_channel(*channels_.begin()->first);
  if (counted_connecting_) {
    counted_connecting_ = false;
    --node_.connecting;
    node_.connected.notify();
  }
  summary_.reason = machine_.ended().value_or(SessionEnd::local_ended);
  summary_.remote_key = remote_key();
  co_return summary_;
}

void Session::drain() {
  if (draining_) return;  // an event's own consequences are drained by the loop below
  draining_ = true;
  if (node_.slabs.spent()) node_.hooks.memory_spent();
  for (;;) {
    while (const auto event = machine_.next_event()) on(*event);
    const auto touched = machine_.take_touched();
    if (touched.empty()) break;
    for (CoreChannel* channel : touched)
      if (const auto found = channels_.find(channel); found != channels_.end())
        found->second->replicator().process(*channel);
  }
  if (machine_.has_send_room())
    for (auto& [channel, core] : channels_)
      if (channel->has_requests()) core->replicator().serve_more(*channel);
  if (machine_.messages_heard() != messages_heard_) {
    messages_heard_ = machine_.messages_heard();
    last_heard_ = node_.timers.now();
  }
  machine_.flush();
  draining_ = false;
  if (machine_.has_more() && !drain_posted_) {
    drain_posted_ = true;
    tasks_.spawn(drain_again());
  }
}

// The rest of a long batch, after others had their turn.
boost::asio::awaitable<void> Session::drain_again() {
  co_await boost::asio::post(node_.strand, boost::asio::use_awaitable);
  drain_posted_ = false;
  drain();
  pump_.wake();
}

void Session::expect_answer() {
  if (machine_.finished() || std::exchange(watching_answers_, true)) return;
  tasks_.spawn(watch_answers());
}

// One sleeper a session, and only while something is asked: whoever claims blocks and does not send them must
// not hold them back from us.
boost::asio::awaitable<void> Session::watch_answers() {
  Instant look = node_.timers.now() + answer_limit;
  while (co_await node_.timers.sleep_until(look)) {
    const Instant now = node_.timers.now();
    std::optional<Instant> oldest;
    for (auto& [channel, core] : channels_)
      if (const auto since = channel->waiting_since(); since && (!oldest || *since < *oldest)) oldest = since;
    if (!oldest) break;
    look = *oldest + answer_limit;
    if (look > now) continue;
    look = now + answer_again;
    std::vector<std::pair<CoreChannel*, OpenCore*>> owing;
    for (auto& [channel, core] : channels_)
      if (const auto since = channel->waiting_since(); since && *since + answer_limit <= now)
        owing.emplace_back(channel, core);
    std::vector<OpenCore*> overdue;
    for (auto& [channel, core] : owing) {
      if (machine_.finished()) co_return;
      if (core->replicator().ask_elsewhere(*channel, Instant{now.since_origin - answer_limit}))
        overdue.push_back(core);
    }
    for (OpenCore* core : overdue) core->replicator().schedule();
    flush();
  }
  watching_answers_ = false;
}

void Session::flush() {
  if (!draining_) {
    machine_.flush();
    // What was answered may have made room for messages that were held back.
    drain();
  }
  pump_.wake();
}

void Session::end(SessionEnd reason) {
  if (machine_.finished()) return;
  machine_.end(reason);
  drain();
  pump_.wake();
}

void Session::on(const SessionEvent& event) {
  std::visit(Overloaded{
                 [&](const SessionSecured&) {
                   if (options_.secured) options_.secured();
                   ++opening_;
                   tasks_.spawn(open_all());
                 },
                 [&](const CoreRequested& request) {
                   if (!cores_.knows(request.core)) return machine_.reject(request.ticket);
                   if (OpenCore* core = cores_.find(request.core)) {
                     share(*core);
                     return;
                   }
                   ++opening_;
                   tasks_.spawn(answer_open(request));
                 },
                 [&](const CoreOpened& opened) {
                   if (const auto found = channels_.find(opened.channel); found != channels_.end())
                     found->second->replicator().opened(*opened.channel);
                 },
                 [&](const CoreClosed& closed) {
                   if (const auto found = channels_.find(closed.channel); found != channels_.end()) {
                     OpenCore* core = found->second;
                     channels_.erase(found);
                     core->replicator().detach(*closed.channel);
                   }
                 },
                 [&](const SessionEnded&) {},
             },
             event);
}

void Session::share(OpenCore& core) {
  if (!machine_.secured() || machine_.finished()) return;
  if (machine_.has_core(core.record().discovery_key)) return;
  CoreChannel& channel = machine_.open_core(core.local());
  channels_[&channel] = &core;
  core.replicator().attach(channel, *this);
  flush();
}

void Session::unshare(OpenCore& core) {
  for (auto at = channels_.begin(); at != channels_.end();) {
    if (at->second != &core) {
      ++at;
      continue;
    }
    CoreChannel* channel = at->first;
    at = channels_.erase(at);
    core.replicator().detach(*channel);
    if (!machine_.finished()) machine_.close_core(*channel);
  }
  flush();
}

// Every core that we hold is offered: both sides open, and whoever does not know it rejects.
boost::asio::awaitable<void> Session::open_all() {
  for (const DiscoveryKey& key : cores_.known()) {
    if (machine_.finished() || co_await was_cancelled()) break;
    auto core = co_await cores_.open(key);
    if (core) share(**core);
  }
  --opening_;
  if (counted_connecting_) {
    counted_connecting_ = false;
    --node_.connecting;
    node_.connected.notify();
    for (auto& [channel, core] : channels_) core->look_again();
  }
}

boost::asio::awaitable<void> Session::answer_open(CoreRequested request) {
  auto core = co_await cores_.open(request.core);
  --opening_;
  if (machine_.finished()) co_return;
  if (core && !machine_.has_core(request.core))
    share(**core);
  else if (!core)
    machine_.reject(request.ticket);
  flush();
}

bool Session::complete() const {
  if (!machine_.secured() || opening_ > 0) return false;
  for (const auto& [channel, core] : channels_) {
    if (!channel->is_open()) return false;
    if (!core->replicator().complete(*channel)) return false;
  }
  return true;
}

boost::asio::awaitable<void> Session::watch_completion() {
  while (!machine_.finished()) {
    const Instant look = std::max(last_heard_ + quiet, node_.timers.now() + std::chrono::milliseconds(100));
    if (!co_await node_.timers.sleep_until(look)) co_return;
    if (node_.timers.now() - last_heard_ < quiet) continue;
    if (complete()) {
      summary_.complete = true;
      end(SessionEnd::local_ended);
      co_return;
    }
  }
}

void Session::forget_channel(CoreChannel& channel) {
  const auto found = channels_.find(&channel);
  if (found == channels_.end()) return;
  OpenCore* core = found->second;
  channels_.erase(found);
  core->replicator().detach(channel);
}

}  // namespace sheaf
