// What happens to the archives of a node: which are followed, which changed, and what moves between peers.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/entry.hpp"
#include "sheaf/engine/error.hpp"

namespace sheaf {

// Everything that has happened to one archive since its last event was taken.
struct ArchiveEvent {
  CoreKey link{};
  bool added = false;                   // followed from now on, or made here
  bool removed = false;                 // forgotten
  bool changed = false;                 // its version moved, or more of its entries are here
  std::optional<Version> wound_back{};  // the lowest version to which its writer has taken it back
  Length downloaded{};                  // blocks of both cores that peers sent
  Length uploaded{};                    // blocks of both cores that went to peers
};

// At most one event an archive waits to be taken, so nothing is ever dropped.
class ArchiveEvents {
 public:
  ArchiveEvents(ArchiveEvents&&) noexcept;
  ArchiveEvents& operator=(ArchiveEvents&&) noexcept;
  ~ArchiveEvents();
  // The archives come in the order in which something first happened to them. Fails with `closed` when the
  // node closes.
  boost::asio::awaitable<Result<ArchiveEvent>> next();

  struct Impl;  // of this library alone
  explicit ArchiveEvents(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sheaf
