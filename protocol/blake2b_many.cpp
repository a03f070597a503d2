#include "protocol/blake2b_many.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "protocol/blake2b_lanes.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf::crypto {
namespace {

using lanes::block_bytes;

bool processor_has(Lanes lanes) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (lanes == Lanes::four) return __builtin_cpu_supports("avx2");
  if (lanes == Lanes::eight) return __builtin_cpu_supports("avx512f");
#endif
  return lanes == Lanes::one;
}

Hash alone(const HeadedMessage& message) {
  return blake2b({Bytes(message.head).first(message.head_bytes), message.body});
}

// How many blocks a message fills; the empty one fills a block, too.
std::size_t blocks_of(const HeadedMessage& message) {
  return std::max<std::size_t>(1, (message.size() + block_bytes - 1) / block_bytes);
}

// A message on its way through one lane, block by block. Whole blocks of the body are hashed where they lie.
class Lane {
 public:
  void start(const HeadedMessage& message) {
    message_ = &message;
    left_ = blocks_of(message);
    taken_ = 0;
  }

  bool finished() const { return left_ == 0; }
  // Blocks that can be taken in one run: those which lie whole in the body and are not the last.
  std::size_t run() const { return taken_ == 0 || left_ == 0 ? 0 : left_ - 1; }

  struct Step {
    const unsigned char* from;
    std::uint64_t counted;  // with the first block of the step
    bool last;
  };
  // Requires: `blocks` is 1, or at most run().
  Step take(std::size_t blocks) {
    const HeadedMessage& message = *message_;
    const std::size_t at = taken_ * block_bytes;
    const bool last = blocks == left_;
    const unsigned char* from = padded_.data();
    if (taken_ == 0 || last) {
      padded_.fill(0);
      std::size_t fill = 0;
      if (taken_ == 0) {
        fill = message.head_bytes;
        std::memcpy(padded_.data(), message.head.data(), fill);
      }
      const Bytes rest = message.body.subspan(taken_ == 0 ? 0 : at - message.head_bytes);
      const std::size_t some = std::min(rest.size(), block_bytes - fill);
      if (some > 0) std::memcpy(padded_.data() + fill, rest.data(), some);
    } else {
      from = reinterpret_cast<const unsigned char*>(message.body.data()) + (at - message.head_bytes);
    }
    taken_ += blocks;
    left_ -= blocks;
    return {from, last ? message.size() : at + block_bytes, last};
  }

 private:
  const HeadedMessage* message_ = nullptr;
  std::size_t left_ = 0;   // blocks
  std::size_t taken_ = 0;  // blocks
  std::array<unsigned char, block_bytes> padded_;
};

// Hashes as many messages as there are lanes, or fewer. They are given by their places in `messages`.
template <std::size_t lane_count>
void side_by_side(lanes::Compress compress, std::span<const HeadedMessage> messages, std::span<Hash> out,
                  std::span<const std::size_t> places) {
  std::array<std::uint64_t, lanes::state_words * lane_count> state;
  for (std::size_t word = 0; word < lanes::state_words; ++word)
    for (std::size_t lane = 0; lane < lane_count; ++lane)
      state[word * lane_count + lane] = lanes::initial[word];
  for (std::size_t lane = 0; lane < lane_count; ++lane) state[lane] ^= 0x01010000 ^ Hash::size;  // no key

  std::array<Lane, lane_count> all;
  for (std::size_t i = 0; i < places.size(); ++i) all[i].start(messages[places[i]]);
  const std::span<Lane> used(all.data(), places.size());
  std::array<const unsigned char*, lane_count> from{};
  std::array<std::uint64_t, lane_count> counted{}, last{};

  for (;;) {
    std::size_t blocks = SIZE_MAX;
    const unsigned char* somewhere = nullptr;
    for (const Lane& lane : used)
      if (!lane.finished()) blocks = std::min(blocks, lane.run());
    if (blocks == SIZE_MAX) return;
    blocks = std::max<std::size_t>(blocks, 1);
    from.fill(nullptr);
    std::array<bool, lane_count> ends{};
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (used[i].finished()) continue;
      const Lane::Step step = used[i].take(blocks);
      somewhere = from[i] = step.from;
      counted[i] = step.counted;
      last[i] = step.last ? ~std::uint64_t{0} : 0;
      ends[i] = step.last;
    }
    // Lanes without a message go along with another one's bytes, and nobody looks at what they make.
    for (auto& bytes : from)
      if (bytes == nullptr) bytes = somewhere;
    compress(state.data(), from.data(), blocks, counted.data(), last.data());
    for (std::size_t i = 0; i < used.size(); ++i)
      if (ends[i])
        for (std::size_t word = 0; word < Hash::size / 8; ++word)
          std::memcpy(out[places[i]].value.data() + 8 * word, &state[word * lane_count + i], 8);
  }
}

template <std::size_t lane_count>
void in_groups(lanes::Compress compress, std::span<const HeadedMessage> messages, std::span<Hash> out) {
  std::vector<std::size_t> order(messages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Lanes should end together.
  if (!std::ranges::is_sorted(messages, {}, blocks_of))
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return blocks_of(messages[i]); });
  for (std::size_t at = 0; at < order.size(); at += lane_count) {
    const auto group = std::span(order).subspan(at, std::min(lane_count, order.size() - at));
    if (group.size() == 1)
      out[group[0]] = alone(messages[group[0]]);
    else
      side_by_side<lane_count>(compress, messages, out, group);
  }
}

}  // namespace

Lanes widest_lanes() {
  static const Lanes widest = [] {
    if (lanes::compress_avx512 != nullptr && processor_has(Lanes::eight)) return Lanes::eight;
    if (lanes::compress_avx2 != nullptr && processor_has(Lanes::four)) return Lanes::four;
    return Lanes::one;
  }();
  return widest;
}

void blake2b_many(std::span<const HeadedMessage> messages, std::span<Hash> out, Lanes lanes) {
  invariant(messages.size() == out.size(), "one hash for each message");
  invariant(lanes <= widest_lanes(), "lanes that this processor has");
  switch (lanes) {
    case Lanes::eight: return in_groups<8>(lanes::compress_avx512, messages, out);
    case Lanes::four: return in_groups<4>(lanes::compress_avx2, messages, out);
    case Lanes::one:
      for (std::size_t i = 0; i < messages.size(); ++i) out[i] = alone(messages[i]);
  }
}

void blake2b_many(std::span<const HeadedMessage> messages, std::span<Hash> out) {
  blake2b_many(messages, out, widest_lanes());
}

}  // namespace sheaf::crypto
