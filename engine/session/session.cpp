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

// A channel on which neither side wants anything is kept for so long: who goes on writing is heard at once.
constexpr Duration idle_limit = std::chrono::seconds(30);
// With one of ours; a plain peer hears of new lengths on open channels alone. Beyond it those go that were
// idle for longest, and this many more.
constexpr std::size_t channels_most = 1'024;
constexpr std::size_t channels_spare = 128;

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

Session::Session(NodeContext& node, CoreRegistry& cores, Coordinator& bundle,
                 std::unique_ptr<ByteStream> stream, Options options)
    : node_(node),
      cores_(cores),
      bundle_(bundle),
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
  bundle_.left(*this);
  tasks_.cancel();
  co_await tasks_.join();
  while (!channels_.empty()) forget_channel(*channels_.begin()->first);
  first_look_done();
  if (const CoordinatorChannel* channel = machine_.coordinator()) note_goodbye(*channel);
  summary_.of_bundle = proved_;
  summary_.missing = bundle_.lacks_something();
  summary_.reason = machine_.ended().value_or(SessionEnd::local_ended);
  summary_.remote_key = remote_key();
  co_return summary_;
}

void Session::note_goodbye(const CoordinatorChannel& channel) {
  using coordinator::ByeReason;
  const CoordinatorChannel::Ending& ending = channel.ending();
  if (ending.ours || ending.rejected) return;
  switch (ending.reason) {
    // After both had settled: all that they had is here.
    case ByeReason::closing:
      summary_.complete = summary_.complete || (ending.settled && !store_kept_out_);
      summary_.remote_missing = summary_.remote_missing || ending.remote_missing;
      break;
    case ByeReason::version:
    case ByeReason::feature:
    case ByeReason::not_allowed:
    case ByeReason::not_member:
    case ByeReason::announce_flood:
      summary_.turned_away = to_string(ending.reason) + (ending.text.empty() ? "" : ": " + ending.text);
      break;
    default: break;
  }
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
      if (const auto found = channels_.find(channel); found != channels_.end()) {
        bundle_.channel_moved(*this, *found->second);
        by_core_.at(found->second).used = node_.timers.now();
        found->second->replicator().process(*channel);
      }
  }
  if (machine_.has_send_room())
    for (auto& [channel, core] : channels_)
      if (channel->has_requests()) core->replicator().serve_more(*channel);
  if (machine_.messages_heard() != messages_heard_) {
    messages_heard_ = machine_.messages_heard();
    last_heard_ = node_.timers.now();
  }
  look_at_bundle();
  machine_.flush();
  draining_ = false;
  if (!finish_posted_ && may_finish()) {
    finish_posted_ = true;
    tasks_.spawn(finish());
  }
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

void Session::channel_moved(CoreChannel& channel) {
  if (const auto found = channels_.find(&channel); found != channels_.end())
    bundle_.channel_moved(*this, *found->second);
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

// One sleeper a session, while channels are open. Closing has a turn of its own, here and in trim(): whoever
// opens a channel too many may be in the middle of a core's work.
boost::asio::awaitable<void> Session::watch_idle() {
  while (!channels_.empty() && !machine_.finished()) {
    const Instant look = node_.timers.now() + idle_limit / 3;
    const auto slept = co_await node_.timers.sleep_until(look);
    if (!slept) break;
    close_idle();
  }
  watching_idle_ = false;
}

boost::asio::awaitable<void> Session::trim() {
  co_await boost::asio::post(node_.strand, boost::asio::use_awaitable);
  trim_posted_ = false;
  close_idle();
}

// Whatever rises later is told by the coordinator, and a channel opened anew.
void Session::close_idle() {
  if (machine_.finished() || kind_ != Kind::proved) return;
  const Instant before{node_.timers.now().since_origin - idle_limit};
  std::vector<std::pair<Instant, OpenCore*>> idle;
  for (const auto& [channel, core] : channels_)
    if (may_close(*core, *channel)) idle.emplace_back(by_core_.at(core).used, core);
  std::ranges::sort(idle);
  const std::size_t too_many =
      channels_.size() > channels_most ? channels_.size() - channels_most + channels_spare : 0;
  for (std::size_t i = 0; i < idle.size(); ++i)
    if (i < too_many || idle[i].first <= before) unshare(*idle[i].second);
}

bool Session::may_close(OpenCore& core, const CoreChannel& channel) const {
  const DiscoveryKey& key = core.record().discovery_key;
  return channel.is_open() && !core.asked_for() && bundle_.tells(*this, core) &&
         core.replicator().complete(channel) && !refused_.contains(key);
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
                   machine_.open_coordinator(bundle_.local_for(machine_.remote_key()),
                                             bundle_.options_for(machine_.remote_key(), options_.trusted));
                   bundle_.joined(*this);
                 },
                 [&](const CoreRequested& request) {
                   if (!cores_.knows(request.core) || !shows(request.core))
                     return machine_.reject(request.ticket);
                   refused_.erase(request.core);
                   if (OpenCore* core = cores_.find(request.core)) return answer_open(*core, request);
                   ++opening_;
                   tasks_.spawn(open_and_answer(request));
                 },
                 [&](const CoreOpened& opened) {
                   if (const auto found = channels_.find(opened.channel); found != channels_.end()) {
                     bundle_.channel_moved(*this, *found->second);
                     found->second->replicator().opened(*opened.channel);
                   }
                 },
                 [&](const CoreClosed& closed) {
                   if (const auto found = channels_.find(closed.channel); found != channels_.end()) {
                     OpenCore* core = found->second;
                     channels_.erase(found);
                     by_core_.erase(core);
                     if (closed.rejected) refused_.insert(core->record().discovery_key);
                     bundle_.channel_moved(*this, *core);
                     core->replicator().detach(*closed.channel);
                   }
                 },
                 [&](const SessionEnded&) { bundle_.left(*this); },
             },
             event);
}

// What the other side turned out to be, and what the bundle makes of it.
void Session::look_at_bundle() {
  CoordinatorChannel* channel = machine_.coordinator();
  if (!channel || machine_.finished()) return;
  using State = CoordinatorChannel::State;
  if (kind_ == Kind::undecided && channel->state() == State::proved) {
    kind_ = Kind::proved;
    proved_ = true;
    if (options_.trusted && !bundle_.private_cores().empty()) {
      ++opening_;
      tasks_.spawn(share_private());
    }
  }
  if (kind_ == Kind::proved && channel->state() == State::proved) {
    if (const auto wrong = bundle_.look(*this)) end(*wrong);
    return;
  }
  if (channel->state() != State::closed || kind_ == Kind::plain || kind_ == Kind::parted) return;
  const auto& ending = channel->ending();
  kind_ = ending.rejected ? Kind::plain : Kind::parted;
  bundle_.left(*this);
  if (kind_ == Kind::parted) return first_look_done();
  ++opening_;
  tasks_.spawn(open_all());
}

bool Session::shows(const DiscoveryKey& core) const {
  return bundle_.shows(core, machine_.remote_key(), options_.trusted);
}

// Cores that are told to nobody are no part of the comparison: a peer that the user chose is offered them.
boost::asio::awaitable<void> Session::share_private() {
  for (const DiscoveryKey& key : std::set<DiscoveryKey>(bundle_.private_cores())) {
    if (machine_.finished() || co_await was_cancelled()) break;
    if (auto core = co_await cores_.open(key)) share(**core, false);
  }
  --opening_;
  flush();
}

// A one-shot session ends when both sides have said that they have what the other one had. Whoever sees it
// first says goodbye; the other has said as much before, so it is complete, too.
bool Session::may_finish() {
  CoordinatorChannel* channel = machine_.coordinator();
  if (!channel || machine_.finished()) return false;
  if (kind_ == Kind::parted)
    return options_.until == Until::complete || channel->ending().reason == coordinator::ByeReason::closing;
  return kind_ == Kind::proved && options_.until == Until::complete && channel->settled() && complete() &&
         !bundle_.has_put_off(*this);
}

boost::asio::awaitable<void> Session::finish() {
  // Whoever found out is in the middle of its own work.
  co_await boost::asio::post(node_.strand, boost::asio::use_awaitable);
  finish_posted_ = false;
  if (!may_finish()) co_return;
  CoordinatorChannel& channel = *machine_.coordinator();
  summary_.remote_missing = channel.remote_missing();
  if (kind_ == Kind::parted) {
    end(SessionEnd::remote_ended);
  } else {
    summary_.complete = true;
    channel.bye(coordinator::ByeReason::closing);
    end(SessionEnd::local_ended);
  }
}

void Session::first_look_done() {
  if (!std::exchange(counted_connecting_, false)) return;
  --node_.connecting;
  node_.connected.notify();
  for (OpenCore* core : cores_.open_now()) core->look_again();
}

CoreChannel* Session::channel_of(const OpenCore& core) {
  const auto found = by_core_.find(&core);
  return found == by_core_.end() ? nullptr : found->second.channel;
}

void Session::offer(OpenCore& core) {
  if (kind_ == Kind::plain) share(core, false);
}

void Session::share(OpenCore& core, bool told) {
  if (!machine_.secured() || machine_.finished() || kind_ == Kind::parted) return;
  const DiscoveryKey& key = core.record().discovery_key;
  if (machine_.has_core(key) || refused_.contains(key) || !(told || shows(key))) return;
  CoreChannel& channel = machine_.open_core(core.local());
  channels_[&channel] = &core;
  by_core_[&core] = {&channel, node_.timers.now()};
  core.replicator().attach(channel, *this);
  if (kind_ == Kind::proved) {
    if (!std::exchange(watching_idle_, true)) tasks_.spawn(watch_idle());
    if (channels_.size() > channels_most && !std::exchange(trim_posted_, true)) tasks_.spawn(trim());
  }
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
    by_core_.erase(&core);
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
    if (core && (*core)->recorded()) share(**core, false);
  }
  --opening_;
  first_look_done();
}

boost::asio::awaitable<void> Session::open_and_answer(CoreRequested request) {
  auto core = co_await cores_.open(request.core);
  --opening_;
  if (machine_.finished()) co_return;
  if (core)
    answer_open(**core, request);
  else
    machine_.reject(request.ticket);
  flush();
}

// What is not verified yet is confirmed to nobody.
void Session::answer_open(OpenCore& core, const CoreRequested& request) {
  if (core.recorded()) share(core, false);
  if (!machine_.has_core(request.core)) machine_.reject(request.ticket);
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
    if (kind_ == Kind::plain && complete()) {
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
  by_core_.erase(core);
  core->replicator().detach(channel);
}

}  // namespace sheaf
