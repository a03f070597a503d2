#include "protocol/coordinator_channel.hpp"

#include <algorithm>

#include "protocol/crypto.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

using coordinator::ByeReason;
using coordinator::Holding;
using coordinator::MessageType;
using std::chrono::milliseconds;
using std::chrono::seconds;

// C4, C10: roots that we say, each of which may begin a run; roots and settleds that we hear.
constexpr std::uint64_t runs_burst = 3;
constexpr Duration run_period = seconds(10);
constexpr std::uint64_t heard_burst = 40;
constexpr Duration heard_period = milliseconds(50);
constexpr Duration settled_pause = milliseconds(50);
// Rises of elements that come closer together than this share a message.
constexpr Duration live_pause = milliseconds(10);
// 6.1: a run in which nothing was heard for so long is dropped; so often, and the channel is closed.
constexpr Duration run_patience = seconds(30);
constexpr std::size_t slow_runs_most = 3;
// L13: new archives of a peer that is not trusted: a burst of its first credit, then so many a minute.
constexpr std::uint64_t new_a_minute = 64;
// C5: that many times the first credit beyond what was given is a flood.
constexpr std::uint64_t flood_factor = 10;
// C7, C8, and bounds of what is kept for answers.
constexpr std::size_t asks_most = 8;
constexpr std::size_t live_most = 4'096;
constexpr std::size_t gives_most = 2 * Reconciliation::Bounds::gives;
constexpr std::size_t told_most = 256;
constexpr std::size_t refusals_most = 4'096;
constexpr std::size_t refused_most = 1'024;
// Elements looked at in one go for questions, so that others have their turn.
constexpr std::size_t scan_slice = 4'096;
// A peer that leaves is given so many slices at once to have its last refusals named, however much is here:
// who comes, refuses and leaves again and again must not hold up the others.
constexpr std::size_t farewell_slices = 4;

bool counts(MessageType type) { return type <= MessageType::items; }

}  // namespace

CoordinatorChannel::CoordinatorChannel(CoordinatorLocal& local, Mux& mux, const Limits& limits,
                                       Options options)
    : local_(local),
      mux_(mux),
      limits_(limits),
      options_(options),
      our_roots_(runs_burst, run_period),
      their_roots_(heard_burst, heard_period),
      slow_refunds_(new_a_minute, Duration(seconds(60)) / new_a_minute),
      their_settled_(heard_burst, heard_period) {}

template <class Message>
void CoordinatorChannel::say(MessageType type, const Message& message) {
  mux_.send_with(id_, static_cast<std::uint64_t>(type), [&](Writer& body) { encode(body, message); });
  if (counts(type)) ++said_count_;
}

void CoordinatorChannel::open(Role role, const WideHash& handshake_hash, Instant now) {
  role_ = role;
  keys_.emplace(local_.secret, handshake_hash);
  opened_at_ = now;
  coordinator::Handshake handshake;
  handshake.proof = keys_->proof(role);
  Buffer body;
  Writer writer(body);
  encode(writer, handshake);
  id_ = mux_.open(coordinator::protocol_name, keys_->topic().bytes(), body);
}

std::optional<SessionEnd> CoordinatorChannel::opened(Bytes body, Instant now) {
  if (state_ != State::opening) return std::nullopt;
  const auto theirs = coordinator::decode_handshake(body);
  if (!theirs) return SessionEnd::malformed_message;
  if (!crypto::equal_in_constant_time(theirs->proof.bytes(), keys_->proof(other(role_)).bytes())) {
    leave({.proof_failed = true, .ours = true});
    return std::nullopt;
  }
  const coordinator::Handshake ours;
  const std::uint64_t agreed = std::min(theirs->version, ours.version);
  state_ = State::proved;
  if (agreed < theirs->lowest || agreed < ours.lowest)
    bye(ByeReason::version);
  else if ((theirs->required & ~ours.features) != 0)
    bye(ByeReason::feature);
  if (state_ == State::closed) return std::nullopt;
  features_ = theirs->features & ours.features;
  want_root(now);
  pump(now);
  return std::nullopt;
}

void CoordinatorChannel::leave(Ending ending) {
  if (state_ == State::closed) return;
  ending.settled = settled();
  ending.remote_missing = remote_missing();
  mux_.close(id_);
  closed(false);
  ending_ = std::move(ending);
}

void CoordinatorChannel::closed(bool rejected) {
  if (state_ == State::closed) return;
  state_ = State::closed;
  ending_ = {.rejected = rejected};
  run_.reset();
  gives_.clear();
  live_.clear();
  asks_.clear();
  unnamed_.clear();
  scan_from_.reset();
  asked_.clear();
  refusals_.clear();
}

void CoordinatorChannel::bye(ByeReason reason, std::string_view text) {
  if (state_ == State::closed) return;
  if (state_ == State::proved) say(MessageType::bye, coordinator::Bye{reason, text});
  leave({.ours = true, .reason = reason, .text = std::string(text)});
}

std::optional<SessionEnd> CoordinatorChannel::receive(std::uint64_t number, Bytes body, Instant now) {
  if (state_ != State::proved || number > static_cast<std::uint64_t>(MessageType::peers)) return std::nullopt;
  const auto type = static_cast<MessageType>(number);
  // Decodes the body and hands it on; false if it is malformed.
  const auto take = [](const auto& message, auto&& use) {
    if (message.has_value()) use(*message);
    return message.has_value();
  };
  if (counts(type)) ++heard_count_;
  bool good = true;
  std::optional<SessionEnd> wrong;
  switch (type) {
    case MessageType::root:
      good = take(coordinator::decode_root(body), [&](const auto& m) { on(m, now); });
      break;
    case MessageType::nodes:
      good = take(coordinator::decode_nodes(body), [&](const auto& m) { on(m, body.size(), now); });
      break;
    case MessageType::need:
      good = take(coordinator::decode_need(body), [&](const auto& m) {
        if (run_) run_->take(m);
      });
      break;
    case MessageType::items: {
      auto message = coordinator::decode_items(body);
      good = message.has_value();
      if (good) wrong = on(std::move(*message));
      break;
    }
    case MessageType::ask: {
      auto message = coordinator::decode_ask(body);
      good = message.has_value();
      if (good) on(std::move(*message));
      break;
    }
    case MessageType::tell: good = take(coordinator::decode_tell(body), [&](const auto& m) { on(m); }); break;
    case MessageType::credit:
      good = take(coordinator::decode_credit(body),
                  [&](const auto& m) { send_credit_ = std::min(send_credit_ + m.items, max_wire_integer); });
      break;
    case MessageType::settled:
      good = take(coordinator::decode_settled(body), [&](const auto& m) { on(m, now); });
      break;
    case MessageType::refuse:
      good = take(coordinator::decode_refuse(body), [&](const auto& m) { on(m); });
      break;
    case MessageType::bye:
      good = take(coordinator::decode_bye(body), [&](const auto& m) {
        for (std::size_t i = 0; i < farewell_slices && !unnamed_.empty(); ++i) scan();
        leave({.reason = m.reason, .text = std::string(m.text)});
      });
      break;
    case MessageType::peers: good = coordinator::decode_peers(body).has_value(); break;
  }
  if (!good) return SessionEnd::malformed_message;
  if (wrong) return wrong;
  pump(now);
  return std::nullopt;
}

// -- Roots.

void CoordinatorChannel::want_root(Instant now) {
  if (state_ != State::proved) return;
  if (!root_due_ || now < *root_due_) root_due_ = now;
}

void CoordinatorChannel::say_root(Instant now) {
  if (!root_due_ || now < *root_due_ || run_) return;
  if (roots_said_ > roots_heard_) return;  // the last one is not answered
  if (!our_roots_.take(now)) {
    root_due_ = our_roots_.next();
    return;
  }
  root_due_.reset();
  coordinator::Root root;
  root.closed = local_.closed;
  root.whole = local_.whole;
  root.count = local_.elements.size();
  root.digest = told_digest_ = keys_->root(local_.elements.digest(), root.count);
  if (roots_said_ == 0) root.credit = receive_credit_ = options_.credit;
  ++roots_said_;
  say(MessageType::root, root);
  pair_roots(now);
}

void CoordinatorChannel::on(const coordinator::Root& root, Instant now) {
  if (!their_roots_.take(now)) return bye(ByeReason::protocol, "too many roots");
  if (roots_heard_ == 0) send_credit_ = root.credit;
  remote_ = root;
  if (run_) {  // they have dropped it
    run_.reset();
    gives_.clear();
  }
  ++roots_heard_;
  // A root is answered with a root, so that both know what is compared.
  if (roots_heard_ > roots_said_) want_root(now);
  pair_roots(now);
}

void CoordinatorChannel::pair_roots(Instant now) {
  if (roots_said_ != roots_heard_ || remote_->digest == told_digest_) return;
  ++runs_;
  run_.emplace(local_.elements, *keys_,
               Reconciliation::Options{local_.closed, remote_->closed, remote_->count});
  run_heard_ = now;
  if (role_ == Role::initiator) run_->begin();
  advance_run(now);
}

// -- The run.

void CoordinatorChannel::on(const coordinator::Nodes& nodes, std::size_t bytes, Instant now) {
  if (!run_) return;  // of a run that was dropped
  run_heard_ = now;
  if (run_->take(nodes, bytes) != Reconciliation::Verdict::good)
    return bye(ByeReason::protocol, "the comparison takes too much");
  advance_run(now);
}

void CoordinatorChannel::advance_run(Instant now) {
  for (const SlotRange& range : run_->take_gives()) {
    if (gives_.size() >= gives_most) {
      gives_left_ = true;
      break;
    }
    gives_.push_back(range);
  }
  for (const auto& behind : run_->take_behind()) behind_.push_back(behind);
  if (run_->has_turn()) {
    say_items(now);
    const auto turn = run_->turn(static_cast<std::size_t>(receive_credit_));
    if (!turn) return bye(ByeReason::protocol, "the comparison takes too much");
    for (std::size_t at = 0; at < turn->need.size(); at += coordinator::elements_most) {
      const auto begin = turn->need.begin() + static_cast<std::ptrdiff_t>(at);
      const auto count = std::min(turn->need.size() - at, coordinator::elements_most);
      say(MessageType::need, coordinator::Need{{begin, begin + static_cast<std::ptrdiff_t>(count)}});
    }
    for (const auto& nodes : turn->nodes) say(MessageType::nodes, nodes);
  }
  if (run_->finished()) end_run(now, run_->left_over());
}

void CoordinatorChannel::end_run(Instant now, bool again) {
  run_.reset();
  if (again) want_root(now + run_period);
}

// -- Items.

void CoordinatorChannel::element_changed(const Slot& slot, Instant now) {
  if (state_ != State::proved || roots_said_ == 0) return;  // the root to come tells it
  if (live_.size() >= live_most) {
    live_.clear();
    live_due_.reset();
    return want_root(now);
  }
  live_.insert(slot);
  if (!live_due_) live_due_ = std::max(now, live_said_ + live_pause);
}

// Adds up to `most` of the elements that runs found to be lacking there; gives how many.
std::size_t CoordinatorChannel::gather_gives(coordinator::Items& out, std::size_t most) {
  while (!gives_.empty() && out.items.size() < most) {
    SlotRange& range = gives_.front();
    bool done = true;
    local_.elements.visit(SlotPrefix(), range.first, [&](const Element& element) {
      if (element.slot > range.last) return false;
      if (element.length == Length{}) return true;
      if (out.items.size() == most) {
        range.first = element.slot;
        done = false;
        return false;
      }
      out.items.push_back(local_.describe(element));
      return true;
    });
    if (done) gives_.pop_front();
  }
  return out.items.size();
}

void CoordinatorChannel::send_items(const coordinator::Items& items) {
  send_credit_ -= items.items.size();
  for (const auto& item : items.items) {
    if (told_.size() == told_most) told_.pop_front();
    told_.emplace_back(keys_->tag(slot_of(item.key)), item.key);
  }
  say(MessageType::items, items);
}

// Within the credit, which keeps this short.
void CoordinatorChannel::say_items(Instant now) {
  while (send_credit_ > 0 && !gives_.empty()) {
    coordinator::Items out;
    const auto most = std::min<std::uint64_t>(send_credit_, coordinator::elements_most);
    if (gather_gives(out, static_cast<std::size_t>(most)) > 0) send_items(out);
  }
  if (gives_.empty() && std::exchange(gives_left_, false)) want_root(now + run_period);
  if (!live_due_ || now < *live_due_) return;
  while (send_credit_ > 0 && !live_.empty()) {
    coordinator::Items out;
    out.live = true;
    const auto most = std::min<std::uint64_t>(send_credit_, coordinator::elements_most);
    while (!live_.empty() && out.items.size() < most) {
      const auto at = live_.begin();
      const Element* element = local_.elements.find(*at);
      if (element && element->length > Length{}) out.items.push_back(local_.describe(*element));
      live_.erase(at);
    }
    if (!out.items.empty()) send_items(out);
    live_said_ = now;
  }
  if (live_.empty()) live_due_.reset();
}

std::optional<SessionEnd> CoordinatorChannel::on(coordinator::Items message) {
  if (message.items.size() > receive_credit_) {
    beyond_credit_ += message.items.size();
    if (beyond_credit_ > flood_factor * std::max<std::uint64_t>(options_.credit, 1)) {
      bye(ByeReason::announce_flood);
      return SessionEnd::announce_flood;
    }
    return std::nullopt;
  }
  receive_credit_ -= message.items.size();
  std::ranges::move(message.items, std::back_inserter(items_));
  return std::nullopt;
}

void CoordinatorChannel::refund_new(std::uint64_t items, Instant now) {
  if (options_.trusted) {
    refund_ += items;
    return;
  }
  if (refund_slowly_ == 0) slow_refunds_.take_some(new_a_minute, now);  // the rate begins now
  refund_slowly_ += items;
}

// Said in portions: a message for each item would cost more than the item.
void CoordinatorChannel::say_credit(Instant now) {
  const std::uint64_t portion = std::max<std::uint64_t>(options_.credit / 4, 1);
  if (refund_slowly_ > 0) {
    const std::uint64_t back = slow_refunds_.take_some(refund_slowly_, now);
    refund_slowly_ -= back;
    refund_ += back;
  }
  if (refund_ == 0 || roots_said_ == 0) return;
  if (refund_ < portion && receive_credit_ > portion) return;
  say(MessageType::credit, coordinator::Credit{refund_});
  receive_credit_ += std::exchange(refund_, 0);
}

void CoordinatorChannel::refuse(const CoreKey& key, coordinator::RefusalReason reason) {
  if (state_ != State::proved || refusals_.size() >= refusals_most) return;
  refusals_.push_back({keys_->tag(slot_of(key)), reason});
}

void CoordinatorChannel::say_refusals() {
  if (refusals_.empty()) return;
  for (std::size_t at = 0; at < refusals_.size(); at += coordinator::elements_most) {
    const auto begin = refusals_.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(refusals_.size() - at, coordinator::elements_most);
    say(MessageType::refuse, coordinator::Refuse{{begin, begin + static_cast<std::ptrdiff_t>(count)}});
  }
  refusals_ = std::vector<coordinator::Refusal>();
}

void CoordinatorChannel::on(const coordinator::Refuse& message) {
  for (const auto& refusal : message.refused) {
    const bool has_room = refused_tags_.size() < refused_most;
    const bool fresh = has_room && refused_tags_.insert(refusal.tag).second;
    const auto told = std::ranges::find(told_, refusal.tag, [](const auto& each) { return each.first; });
    if (told != told_.end()) {
      if (fresh || !has_room) refused_.push_back({told->second, refusal.reason});
      told_.erase(told);
    } else if (fresh) {
      unnamed_.push_back(refusal);
    }
  }
}

// -- Questions.

bool CoordinatorChannel::ask(std::vector<CoreKey> keys) {
  if (state_ != State::proved || (features_ & coordinator::feature::holdings) == 0) return false;
  if (asked_.size() >= asks_most) return false;
  coordinator::Ask message{.id = ++last_ask_, .tags = {}};
  for (const CoreKey& key : keys) message.tags.push_back(keys_->tag(slot_of(key)));
  say(MessageType::ask, message);
  asked_.emplace(message.id, std::move(keys));
  return true;
}

void CoordinatorChannel::on(const coordinator::Tell& message) {
  auto asked = asked_.extract(message.id);
  if (asked.empty()) return;
  if (asked.mapped().size() != message.holdings.size())
    return bye(ByeReason::protocol, "an answer to something else");
  for (std::size_t i = 0; i < message.holdings.size(); ++i)
    held_.push_back({asked.mapped()[i], message.holdings[i]});
}

void CoordinatorChannel::on(coordinator::Ask message) {
  if ((features_ & coordinator::feature::holdings) == 0) return;
  if (asks_.size() >= asks_most) return bye(ByeReason::protocol, "too many questions");
  const std::size_t count = message.tags.size();
  asks_.push_back({message.id, std::move(message.tags), std::vector<Holding>(count, Holding::nothing)});
}

// Tags mean something in this session alone, so the elements are walked, once for all questions and refusals
// that wait, and a slice at a time.
void CoordinatorChannel::scan() {
  if (asks_.empty() && unnamed_.empty()) return;
  if (!scan_from_) {
    scan_from_ = Slot{};
    scan_asks_ = asks_.size();
    scan_refusals_ = unnamed_.size();
    scan_.clear();
    for (std::size_t place = 0; place < scan_refusals_; ++place)
      scan_.push_back({unnamed_[place].tag, std::nullopt, place});
    for (std::size_t ask = 0; ask < scan_asks_; ++ask)
      for (std::size_t place = 0; place < asks_[ask].tags.size(); ++place)
        scan_.push_back({asks_[ask].tags[place], ask, place});
    std::ranges::sort(scan_, {}, &Wanted::tag);
  }
  std::size_t looked_at = 0;
  std::optional<Slot> stopped;
  local_.elements.visit(SlotPrefix(), *scan_from_, [&](const Element& element) {
    if (looked_at++ == scan_slice) {
      stopped = element.slot;
      return false;
    }
    const coordinator::Tag tag = keys_->tag(element.slot);
    for (auto at = std::ranges::lower_bound(scan_, tag, {}, &Wanted::tag);
         at != scan_.end() && at->tag == tag; ++at) {
      const coordinator::Item about = local_.describe(element);
      if (at->ask)
        asks_[*at->ask].holdings[at->place] = about.holding;
      else
        refused_.push_back({about.key, unnamed_[at->place].reason});
    }
    return true;
  });
  scan_from_ = stopped;
  if (stopped) return;
  for (std::size_t i = 0; i < scan_asks_; ++i)
    say(MessageType::tell, coordinator::Tell{asks_[i].id, std::move(asks_[i].holdings)});
  asks_.erase(asks_.begin(), asks_.begin() + static_cast<std::ptrdiff_t>(scan_asks_));
  unnamed_.erase(unnamed_.begin(), unnamed_.begin() + static_cast<std::ptrdiff_t>(scan_refusals_));
  scan_ = std::vector<Wanted>();  // a channel at rest keeps no room for it (C9)
}

// -- Settling.

void CoordinatorChannel::dealt_with(bool all, bool missing) {
  dealt_with_ = all;
  missing_ = missing;
}

void CoordinatorChannel::say_settled(Instant now) {
  if (!dealt_with_ || !live() || !items_.empty() || !behind_.empty()) return;
  const coordinator::Settled state{heard_count_, missing_};
  if (told_settled_ && told_settled_->seen == state.seen && told_settled_->missing == state.missing) return;
  if (told_settled_ && now < settled_said_ + settled_pause) return;
  say(MessageType::settled, state);
  told_settled_ = state;
  settled_said_ = now;
}

void CoordinatorChannel::on(const coordinator::Settled& message, Instant now) {
  if (!their_settled_.take(now)) return bye(ByeReason::protocol, "settled too often");
  if (message.seen > said_count_) return bye(ByeReason::protocol, "settled what was never said");
  remote_settled_ = message;
}

bool CoordinatorChannel::settled() const {
  return live() && dealt_with_ && unnamed_.empty() && gives_.empty() && live_.empty() && items_.empty() &&
         behind_.empty() && told_settled_ && told_settled_->seen == heard_count_ && remote_settled_ &&
         remote_settled_->seen == said_count_;
}

// -- Time.

void CoordinatorChannel::pump(Instant now) {
  if (state_ == State::opening && now >= opened_at_ + limits_.pending_open_ms) {
    leave({.rejected = true});
    return;
  }
  if (state_ == State::proved && run_ && now >= run_heard_ + run_patience) {
    if (++slow_runs_ >= slow_runs_most) return bye(ByeReason::slow);
    gives_.clear();
    end_run(now, false);
    want_root(now);
  }
  if (state_ != State::proved) return;
  say_root(now);
  if (state_ != State::proved) return;
  if (remote_) say_items(now);
  say_refusals();
  scan();
  say_credit(now);
  say_settled(now);
}

std::optional<Instant> CoordinatorChannel::next_deadline() const {
  std::optional<Instant> next;
  const auto consider = [&](Instant at) {
    if (!next || at < *next) next = at;
  };
  if (state_ == State::opening) consider(opened_at_ + limits_.pending_open_ms);
  if (state_ != State::proved) return next;
  if (run_) consider(run_heard_ + run_patience);
  if (root_due_ && !run_ && roots_said_ <= roots_heard_) consider(*root_due_);
  if (live_due_ && send_credit_ > 0 && remote_) consider(*live_due_);
  if (refund_slowly_ > 0) consider(slow_refunds_.next());
  if (!asks_.empty() || !unnamed_.empty()) consider({});
  if (dealt_with_ && live() && told_settled_ &&
      (told_settled_->seen != heard_count_ || told_settled_->missing != missing_))
    consider(settled_said_ + settled_pause);
  return next;
}

std::size_t CoordinatorChannel::memory_bytes() const {
  std::size_t out = sizeof(*this);
  out += gives_.size() * sizeof(SlotRange) + live_.size() * (sizeof(Slot) + 2 * sizeof(void*));
  out += items_.capacity() * sizeof(coordinator::Item) + behind_.capacity() * sizeof(Reconciliation::Behind);
  out += told_.size() * sizeof(told_[0]) + refusals_.capacity() * sizeof(coordinator::Refusal);
  for (const auto& [id, keys] : asked_) out += keys.capacity() * sizeof(CoreKey);
  for (const auto& ask : asks_)
    out += ask.tags.capacity() * sizeof(coordinator::Tag) + ask.holdings.capacity();
  out += refused_tags_.size() * (sizeof(coordinator::Tag) + 2 * sizeof(void*)) +
         unnamed_.capacity() * sizeof(coordinator::Refusal);
  return out + scan_.capacity() * sizeof(Wanted);
}

}  // namespace sheaf
