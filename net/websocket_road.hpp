// What lies below a WebSocket: the stream that carries it, as Boost.Beast is shown it.
//
// Beast wants to be called when a read or write can be done, and to wait where it cannot; a ByteStream is
// asked and never waits. The two meet here. A write takes everything: what the stream does not take at once
// is kept and goes first the next time, so a frame that was begun is never broken off. A read that finds
// nothing throws: Beast's synchronous read then unwinds, with all it had read of a frame kept in its own
// buffer, and takes up from there when it is called again. (An error instead would end its stream for good,
// and its asynchronous read would hold the caller's buffer while it waits.)
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "sheaf/net/byte_stream.hpp"

namespace sheaf {

// Thrown through Beast when nothing can be read without waiting.
struct NothingToRead {};

class WebSocketRoad {
 public:
  explicit WebSocketRoad(std::unique_ptr<ByteStream> below) : below_(std::move(below)) {}

  ByteStream& below() { return *below_; }

  // These bytes come before what the stream still gives.
  void put_back(Bytes early) { early_ = to_buffer(early); }
  // As ByteStream::try_read. After reads_a_turn calls since begin_turn() there is nothing for this turn,
  // whatever the stream holds: a flood of frames without contents does not keep others waiting.
  Result<std::size_t> read(MutableBytes into);
  void begin_turn() { reads_left_ = reads_a_turn; }
  bool turn_is_over() const { return reads_left_ == 0; }

  // All of it goes or is kept. An error is that of the stream, here or at the next flush().
  Result<void> write(std::span<const Bytes> runs);
  // Sends what is kept; an error that is_would_block() while some of it is left.
  Result<void> flush();
  bool keeps_bytes() const { return sent_ < kept_.size(); }

  // Nothing that is written from now on goes out: the last frame has been said.
  void mute() { muted_ = true; }
  bool muted() const { return muted_; }
  // Ends the stream once what is kept has gone.
  void end();

 private:
  static constexpr std::size_t reads_a_turn = 64;

  std::unique_ptr<ByteStream> below_;
  Buffer early_;
  std::size_t early_taken_ = 0;
  Buffer kept_;
  std::size_t sent_ = 0;  // of kept_
  std::optional<Error> broken_;
  std::size_t reads_left_ = 0;
  bool muted_ = false;
  bool ending_ = false;
};

}  // namespace sheaf
