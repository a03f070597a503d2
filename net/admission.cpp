#include "net/admission.hpp"

#include <algorithm>
#include <sys/resource.h>
#include <utility>

namespace sheaf {

namespace {

// Whether the descriptor is among the last that the process may open. The system gives the lowest free
// number, so one above the line means that at least so many are in use.
bool in_reserve(int descriptor, std::size_t reserved) {
  rlimit open_files{};
  if (getrlimit(RLIMIT_NOFILE, &open_files) != 0 || open_files.rlim_cur == RLIM_INFINITY) return false;
  return static_cast<rlim_t>(descriptor) + reserved >= open_files.rlim_cur;
}

}  // namespace

Admission::Admission(const Limits& limits, Timers& timers) : limits_(limits), timers_(timers) {}

std::optional<Admission::Ticket> Admission::admit(const std::string& host, int descriptor) {
  if (connections_ >= limits_.connections || in_reserve(descriptor, limits_.reserved_descriptors))
    return std::nullopt;
  if (const auto known = hosts_.find(host);
      known != hosts_.end() && known->second >= limits_.connections_per_address)
    return std::nullopt;

  // The rate as a debt: each connection costs its share of a second, time pays it back, and a second's worth
  // may be owed.
  if (limits_.connections_per_second == 0) return std::nullopt;
  const Instant now = timers_.now();
  const Duration second = std::chrono::seconds(1);
  const Duration cost = second / static_cast<Duration::rep>(limits_.connections_per_second);
  owed_ = std::max(Duration::zero(), owed_ - (now - counted_));
  counted_ = now;
  if (owed_ + cost > second) return std::nullopt;
  owed_ += cost;

  ++connections_;
  const auto place = hosts_.try_emplace(host, 0).first;
  ++place->second;
  return Ticket(*this, place);
}

Admission::Ticket::Ticket(Ticket&& other) noexcept
    : book_(std::exchange(other.book_, nullptr)), host_(other.host_) {}

Admission::Ticket::~Ticket() {
  if (!book_) return;
  --book_->connections_;
  if (--host_->second == 0) book_->hosts_.erase(host_);
}

Admission::HalfOpen Admission::half_open(const std::string& host, ByteStream& stream) {
  const auto close_oldest = [this](auto matches) {
    const auto oldest = std::find_if(half_open_.begin(), half_open_.end(), matches);
    ByteStream* const victim = std::exchange(oldest->stream, nullptr);
    victim->close();
  };
  const auto counts = [](const HalfOpen::Entry& entry) { return entry.stream != nullptr; };
  const auto counts_here = [&](const HalfOpen::Entry& entry) { return counts(entry) && entry.host == host; };

  half_open_.push_back({host, &stream});
  const auto open = [&](auto matches) {
    return static_cast<std::size_t>(std::count_if(half_open_.begin(), half_open_.end(), matches));
  };
  if (open(counts_here) > limits_.half_open_per_address) close_oldest(counts_here);
  if (open(counts) > limits_.half_open_sessions) close_oldest(counts);
  return HalfOpen(*this, std::prev(half_open_.end()));
}

Admission::HalfOpen::HalfOpen(HalfOpen&& other) noexcept
    : book_(std::exchange(other.book_, nullptr)), entry_(other.entry_) {}

Admission::HalfOpen::~HalfOpen() {
  if (book_) book_->half_open_.erase(entry_);
}

}  // namespace sheaf
