// What the fetching verbs measure, on an open node that is about to get its session.
#pragma once

#include <functional>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/environment.hpp"
#include "sheaf/engine/node.hpp"

namespace sheaf::peer_node {

struct FetchedCore {
  double seconds = 0;        // until every block is verified and stored
  double first_seconds = 0;  // until the first one is
  double cpu_seconds = 0;    // of this process meanwhile
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;
};

// Counted from now on, just before the session is begun. `blocks` 0: as many as the other side has.
boost::asio::awaitable<Result<FetchedCore>> fetch_whole(Core& core, std::uint64_t blocks);

// Once a peer has said how long the core is.
boost::asio::awaitable<Result<Length>> first_length_of(Core& core);

struct FetchedSingles {
  double seconds = 0;
  double cpu_seconds = 0;
  std::vector<double> micros;  // of each get, sorted
};
// Blocks at scattered places below `blocks`, one after another, once the session is there.
boost::asio::awaitable<Result<FetchedSingles>> fetch_scattered(Core& core, Timers& timers,
                                                               std::uint64_t blocks, std::uint64_t gets);

// How old each of the first `samples` blocks is when it is in our hands, in microseconds, sorted. A block
// begins with the time of its making (monotonic_ns, little-endian).
boost::asio::awaitable<Result<std::vector<double>>> fetch_ages(Core& core, std::uint64_t samples);

// Appends `samples` stamped blocks of 64 bytes, one each interval, from one second after the first peer on.
boost::asio::awaitable<Result<void>> append_stamped(Core& core, Timers& timers, std::uint64_t samples,
                                                    std::uint64_t interval_ms);

}  // namespace sheaf::peer_node
