// Receive memory that is counted, lent and given back: slabs, the account of each session, their pool.
//
// A Slab is one reference to a run of bytes. Who holds one may keep views into it, on any thread; the last to
// let go gives the memory back, even after the session and the pool are gone. Handles are copied and dropped
// on any thread; everything else of an account is called from one at a time.
//
// Budget (L3): an account may hold receive_bytes_session. Of that, receive_bytes_reserved are always its own;
// what goes beyond counts against receive_bytes_process, which all accounts of the pool share. Bytes are
// counted by capacity for as long as anybody holds the slab. Nothing here is sized by what a peer announces.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/time.hpp"

namespace sheaf {

namespace slab_detail {  // defined in slab.cpp
struct Block;
struct Account;
struct Book;
}  // namespace slab_detail

class Slab {
 public:
  Slab() = default;
  Slab(const Slab& other) noexcept;
  Slab(Slab&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Slab& operator=(Slab other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Slab();

  explicit operator bool() const { return block_ != nullptr; }
  std::size_t capacity() const;
  MutableBytes bytes() const;  // all of it; what nobody has written has no value
  bool sole() const;           // no other handle to this memory exists

 private:
  friend class SlabAccount;
  explicit Slab(slab_detail::Block* block) : block_(block) {}
  slab_detail::Block* block_ = nullptr;
};

// One session's share of a pool. Slabs taken from it may outlive it and stay counted until they are dropped.
class SlabAccount {
 public:
  explicit SlabAccount(class SlabPool& pool);
  SlabAccount(const SlabAccount&) = delete;
  SlabAccount& operator=(const SlabAccount&) = delete;
  ~SlabAccount();

  // Whether so many bytes more are within the budget; and a slab of at least so many. An empty one is a no.
  bool allows(std::size_t bytes) const;
  Slab take(std::size_t capacity);
  // Makes a slab larger; its content stays, its place may change. Requires: slab.sole().
  bool grow(Slab& slab, std::size_t capacity);

  // Says that the session stands still until memory comes back to the pool.
  void wait_for_room() const;

  std::size_t bytes() const;  // held by anyone on this account
  std::uint64_t id() const;   // never used twice in a pool

  // Tells the pool how far an unfinished frame has come and when it began; 0 bytes: there is none.
  void partial_frame(std::size_t bytes, Instant since);

 private:
  std::shared_ptr<slab_detail::Account> account_;
};

class SlabPool {
 public:
  static constexpr std::size_t slab_bytes = 256 * 1024;  // the usual size
  // What is given back is kept for the next taker, larger slabs for the next that grows.
  static constexpr std::size_t kept_in_all = 4 * 1024 * 1024;  // bytes that stand outside the budget
  static constexpr std::size_t largest_kept = 2 * 1024 * 1024;
  static constexpr std::size_t slow_frame_bytes = 1024 * 1024;  // L3: frames above this may be given up

  explicit SlabPool(const Limits& limits);
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  ~SlabPool();

  std::size_t bytes() const;         // held in all, reserved shares included
  std::size_t shared_bytes() const;  // of that, what counts against receive_bytes_process

  // Called once when memory that may help comes back while accounts wait for room: every session is to be
  // asked again. It runs on the thread that dropped the slab. Set before the first account.
  void on_room(std::function<void()> call);

  // An account waits for room and nothing has come back since. Then slowest() is whom to close as slow_frame:
  // the account with the least bytes a second in a partial frame above slow_frame_bytes, by its id.
  bool starved() const;
  // The same, and it is the process's budget that is spent, not the account's own.
  bool spent() const;
  std::optional<std::uint64_t> slowest(Instant now) const;

 private:
  friend class SlabAccount;
  std::shared_ptr<slab_detail::Book> book_;
};

}  // namespace sheaf
