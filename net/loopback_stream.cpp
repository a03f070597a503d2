#include "net/loopback_stream.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <limits>
#include <vector>

#include <boost/asio/error.hpp>

#include "net/race.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace asio = boost::asio;

namespace {

// What travels as one where there is a rate: Ethernet's payload of a TCP segment.
constexpr std::size_t segment_bytes = 1'460;

// The bytes of one direction, in a ring that grows up to the road's bound.
class Lane {
 public:
  Lane(Timers& timers, const Road& road) : timers_(timers), road_(road) {
    invariant(road.buffer_bytes > 0, "a road holds at least a byte");
  }

  std::size_t room() const { return road_.buffer_bytes - held_; }
  std::size_t held() const { return held_; }
  bool ended() const { return ended_; }
  bool at_cut() const { return road_.cut_after && read_ >= *road_.cut_after; }

  // Requires: at most room().
  void write(Bytes bytes) {
    reserve(held_ + bytes.size());
    const std::size_t tail = (head_ + held_) & (ring_.size() - 1);
    const std::size_t straight = std::min(bytes.size(), ring_.size() - tail);
    std::memcpy(ring_.data() + tail, bytes.data(), straight);
    if (straight < bytes.size()) std::memcpy(ring_.data(), bytes.data() + straight, bytes.size() - straight);
    held_ += bytes.size();
    while (!bytes.empty()) {
      const std::size_t segment =
          road_.bytes_per_second ? std::min(bytes.size(), segment_bytes) : bytes.size();
      sent_ += segment;
      mark(segment);
      bytes = bytes.subspan(segment);
    }
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    mark(0);
    end_arrives_ = marks_.empty() ? timers_.now() : marks_.back().arrives;
  }

  // How many bytes have arrived and are unread.
  std::size_t arrived() {
    while (!marks_.empty() && marks_.front().arrives <= timers_.now()) {
      arrived_ = marks_.front().upto;
      marks_.pop_front();
    }
    return static_cast<std::size_t>(arrived_ - read_);
  }

  bool end_arrived() { return ended_ && held_ == 0 && end_arrives_ <= timers_.now(); }

  // When the next of what is under way arrives.
  std::optional<Instant> next_arrival() const {
    if (!marks_.empty()) return marks_.front().arrives;
    return std::nullopt;
  }

  // Requires: arrived() > 0, not at_cut().
  std::size_t read(MutableBytes into) {
    std::size_t count = std::min(into.size(), arrived());
    if (road_.cut_after) count = std::min<std::uint64_t>(count, *road_.cut_after - read_);
    if (road_.split) count = 1 + static_cast<std::size_t>(road_.split->below(count));
    const std::size_t straight = std::min(count, ring_.size() - head_);
    std::memcpy(into.data(), ring_.data() + head_, straight);
    if (straight < count) std::memcpy(into.data() + straight, ring_.data(), count - straight);
    head_ = (head_ + count) & (ring_.size() - 1);
    held_ -= count;
    read_ += count;
    return count;
  }

  Signal readable;
  Signal writable;

 private:
  struct Mark {
    std::uint64_t upto;
    Instant arrives;
  };

  // The bytes before sent_ arrive when the line was free for them, after the road's delay.
  void mark(std::size_t bytes) {
    line_free_ = std::max(line_free_, timers_.now());
    if (road_.bytes_per_second)
      line_free_ =
          line_free_ + Duration(static_cast<Duration::rep>(static_cast<double>(bytes) * 1e9 /
                                                           static_cast<double>(road_.bytes_per_second)));
    const Instant arrives = line_free_ + road_.delay;
    if (marks_.empty() && arrives <= timers_.now())
      arrived_ = sent_;
    else if (!marks_.empty() && marks_.back().arrives == arrives)
      marks_.back().upto = sent_;
    else
      marks_.push_back({sent_, arrives});
  }

  void reserve(std::size_t bytes) {
    if (bytes <= ring_.size()) return;
    std::size_t size = std::max<std::size_t>(ring_.size(), 1024);
    while (size < bytes) size *= 2;
    std::vector<std::byte> grown(size);
    const std::size_t straight = std::min(held_, ring_.size() - head_);
    std::copy_n(ring_.begin() + static_cast<std::ptrdiff_t>(head_), straight, grown.begin());
    std::copy_n(ring_.begin(), held_ - straight, grown.begin() + static_cast<std::ptrdiff_t>(straight));
    ring_ = std::move(grown);
    head_ = 0;
  }

  Timers& timers_;
  Road road_;
  std::vector<std::byte> ring_;  // a power of two
  std::size_t head_ = 0;
  std::size_t held_ = 0;
  std::uint64_t sent_ = 0, arrived_ = 0, read_ = 0;  // counted from the beginning
  std::deque<Mark> marks_;                           // in order of arrival
  Instant line_free_{Duration::min()};
  bool ended_ = false;
  Instant end_arrives_{};
};

}  // namespace

class LoopbackWire {
 public:
  LoopbackWire(Timers& timers, const Road& to_second, const Road& to_first)
      : timers(timers), lanes_{Lane(timers, to_second), Lane(timers, to_first)} {}

  Lane& from(bool second) { return lanes_[second ? 1 : 0]; }
  Lane& towards(bool second) { return lanes_[second ? 0 : 1]; }
  bool& closed(bool second) { return closed_[second ? 1 : 0]; }

  void wake_all() {
    for (auto& lane : lanes_) {
      lane.readable.notify();
      lane.writable.notify();
    }
  }

  Timers& timers;
  bool broken = false;

 private:
  std::array<Lane, 2> lanes_;
  std::array<bool, 2> closed_{};
};

LoopbackPair make_loopback(Timers& timers, const Road& to_second, const Road& to_first) {
  auto wire = std::make_shared<LoopbackWire>(timers, to_second, to_first);
  return {std::make_unique<LoopbackStream>(wire, false), std::make_unique<LoopbackStream>(wire, true)};
}

LoopbackStream::~LoopbackStream() { close(); }

Result<std::size_t> LoopbackStream::try_read(MutableBytes into) {
  Lane& lane = wire_->towards(second_);
  if (wire_->closed(second_)) return NetErrc::closed;
  if (!wire_->broken && lane.at_cut()) cut();
  if (wire_->broken) return Error(asio::error::connection_reset);
  if (lane.arrived() == 0) {
    if (lane.end_arrived()) return std::size_t{0};
    return would_block_error();
  }
  const std::size_t taken = lane.read(into);
  lane.writable.notify();
  return taken;
}

bool LoopbackStream::something_to_read() const {
  Lane& lane = wire_->towards(second_);
  return wire_->closed(second_) || wire_->broken || lane.at_cut() || lane.arrived() > 0 || lane.end_arrived();
}

asio::awaitable<Result<void>> LoopbackStream::until_told() {
  while (!something_to_read())
    if (const auto waited = co_await wire_->towards(second_).readable.wait(); !waited)
      co_return waited.error();
  co_return Result<void>();
}

asio::awaitable<Result<void>> LoopbackStream::readable() {
  while (!something_to_read()) {
    const auto arrival = wire_->towards(second_).next_arrival();
    if (!arrival) {
      if (const auto waited = co_await wire_->towards(second_).readable.wait(); !waited)
        co_return waited.error();
      continue;
    }
    const auto raced = co_await race(wire_->timers.sleep_until(*arrival), until_told());
    if (raced.first == 0 && !std::get<0>(raced.endings)) co_return std::get<0>(raced.endings);
    if (raced.first == 1 && !std::get<1>(raced.endings)) co_return std::get<1>(raced.endings);
  }
  co_return Result<void>();
}

Result<std::size_t> LoopbackStream::try_write(std::span<const Bytes> runs) {
  Lane& lane = wire_->from(second_);
  if (wire_->closed(second_)) return NetErrc::closed;
  if (wire_->broken) return Error(asio::error::connection_reset);
  if (lane.ended() || wire_->closed(!second_)) return Error(asio::error::broken_pipe);
  std::size_t sent = 0;
  for (const Bytes run : runs) {
    const Bytes part = run.first(std::min(run.size(), lane.room()));
    if (!part.empty()) lane.write(part);
    sent += part.size();
  }
  if (sent == 0) return would_block_error();
  lane.readable.notify();
  return sent;
}

asio::awaitable<Result<void>> LoopbackStream::writable() {
  Lane& lane = wire_->from(second_);
  while (!wire_->closed(second_) && !wire_->closed(!second_) && !wire_->broken && lane.room() == 0)
    if (const auto waited = co_await lane.writable.wait(); !waited) co_return waited.error();
  co_return Result<void>();
}

void LoopbackStream::end() {
  wire_->from(second_).end();
  wire_->from(second_).readable.notify();
}

void LoopbackStream::close() {
  if (std::exchange(wire_->closed(second_), true)) return;
  wire_->from(second_).end();
  wire_->wake_all();
}

std::string LoopbackStream::remote() const { return second_ ? "memory://first" : "memory://second"; }

void LoopbackStream::cut() {
  wire_->broken = true;
  wire_->wake_all();
}

std::size_t LoopbackStream::under_way() const { return wire_->from(second_).held(); }

}  // namespace sheaf
