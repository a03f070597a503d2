// What happened in a store, in order, for whoever follows it.
//
// A subscription sees each change that was acknowledged after it began exactly once, in the order of the
// commits, or a gap in place of those it was too slow for: then its owner lists the store again. The queue is
// bounded in events and in bytes. Any thread may pull; an ended subscription still gives what it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

struct Change {
  enum class Kind : std::uint8_t {
    put,
    del,
    gap  // changes were dropped here: list again
  };
  Kind kind = Kind::put;
  std::uint64_t batch = 0;  // changes with one number were made together; grows with each write
  Buffer key;
  Buffer value;  // of a put, where the subscription asked for values
};

// Told that a subscription holds something new, or has ended, so that its owner need not wait in next().
// Called by the thread that wrote, under the store's lock: it neither blocks nor calls the store.
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  virtual void changed() noexcept = 0;
};

struct ChangeOptions {
  Bytes prefix{};  // only keys that begin so; copied
  bool values = false;
  std::size_t events_most = 10'000;
  std::size_t bytes_most = 16 * 1024 * 1024;
  std::shared_ptr<ChangeListener> listener{};  // none: nobody is told
};

class Changes {
 public:
  virtual ~Changes() = default;

  // The next change if there is one.
  virtual std::optional<Change> try_next() = 0;
  // Waits for it; nothing once the store was closed or stop() was called and the queue is empty.
  virtual std::optional<Change> next() = 0;
  virtual void stop() = 0;
};

}  // namespace sheaf
