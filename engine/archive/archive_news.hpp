// Carries what happens to archives from their cores to whoever watches.
//
// On the strand. A watcher costs at most one event an archive, and goes when its reader is dropped.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "sheaf/engine/archive_events.hpp"
#include "sheaf/net/signal.hpp"

namespace sheaf {

class ArchiveNews {
 public:
  class Reader {
   public:
    boost::asio::awaitable<Result<ArchiveEvent>> next();

   private:
    friend class ArchiveNews;
    void add(const ArchiveEvent& event);

    std::deque<CoreKey> order_;
    std::unordered_map<CoreKey, ArchiveEvent, FixedBytesHash> events_;
    Signal arrived_;
    bool closed_ = false;
  };

  std::shared_ptr<Reader> watch();
  void tell(const ArchiveEvent& event);
  // Who waits is told `closed` once nothing is left to take.
  void close();

 private:
  std::vector<std::weak_ptr<Reader>> readers_;
  bool closed_ = false;
};

}  // namespace sheaf
