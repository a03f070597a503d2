// A core as an application holds it: an append-only log of blocks under one signed tree.
//
// Core is a handle: move-only, cheap, and void once its node is closed (calls then answer `closed`). Every
// function may be awaited on any executor; its work is done on the node's strand and pool. Cancelling a
// call that reads or waits ends it without effect; cancelling one that writes returns once the write has
// ended, and the write then took effect.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/error.hpp"
#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

struct CoreInfo {
  CoreKey key;
  DiscoveryKey discovery_key;
  std::string name;                // empty for a core that was not created here
  std::optional<CoreKey> archive;  // whose db core (then its own key) or blobs core it is
  bool writable = false;           // its secret key is here
  bool frozen = false;             // its writer signed two histories (EngineErrc::frozen)
  bool over_quota = false;         // of its archive no more blocks are fetched (EngineErrc::quota)
  Fork fork;
  Length length;          // signed, whether or not the blocks are here
  ByteCount bytes;        // of all blocks, without the padding of an encrypted core
  Length local;           // how many blocks are here
  Length contiguous;      // how many are here from the first on without a gap
  std::size_t peers = 0;  // sessions on which this core has an open channel
};

// A block and a place inside it.
struct BytePosition {
  BlockIndex block;
  ByteCount offset;
};

struct CoreEvent {
  enum class Kind {
    length_grew,    // length: the new one
    truncated,      // length: what is left of the old history; fork: the new one
    blocks_stored,  // blocks: a run that is now here
    frozen,         // two histories were seen
    gap,            // events were dropped because nobody took them: look at info()
  };
  Kind kind;
  Length length;
  Fork fork;
  BlockRange blocks;
};

// What happens to one core from the moment of watching on. At most a thousand events wait to be taken; then
// one `gap` stands for the rest.
class CoreEvents {
 public:
  CoreEvents(CoreEvents&&) noexcept;
  CoreEvents& operator=(CoreEvents&&) noexcept;
  ~CoreEvents();
  // The next event, waiting for it. Fails with `closed` when the node closes.
  boost::asio::awaitable<Result<CoreEvent>> next();

 private:
  friend class Core;
  struct Impl;
  explicit CoreEvents(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Core {
 public:
  // Where get() and seek() may look: only here, also at peers, or also at what is not written yet.
  enum class From { here, peers, future };
  // What an append has survived when it returns: the process, or (synced) the machine.
  enum class Safety { process, machine };

  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;
  ~Core();

  const CoreKey& key() const;
  boost::asio::awaitable<Result<CoreInfo>> info();

  // Signs and stores the blocks as one batch; gives the new length. A block has at most 15 MiB. refused, as
  // truncate(), for the cores of an archive: those are written through it.
  boost::asio::awaitable<Result<Length>> append(std::span<const Bytes> blocks,
                                                Safety safety = Safety::process);
  boost::asio::awaitable<Result<Length>> append(Bytes block, Safety safety = Safety::process);

  // One block's bytes, opened with the encryption key where the core has one. not_available if it is not here
  // and only `here` was asked; from peers it waits until one sends it. Past the length, also past what the
  // connected peers know: out_of_range, or with `future` it waits until it is written.
  boost::asio::awaitable<Result<Buffer>> get(BlockIndex index, From from = From::peers);

  // Which block holds this byte, counted over all blocks. The byte length itself gives the end.
  boost::asio::awaitable<Result<BytePosition>> seek(ByteCount bytes, From from = From::peers);

  // Winds the core back; the fork number rises by one, or to `fork` if that is given and higher.
  boost::asio::awaitable<Result<void>> truncate(Length length, std::optional<Fork> fork = std::nullopt,
                                                Safety safety = Safety::process);

  // Drops the blocks here; the signed tree keeps them, and peers may send them again.
  boost::asio::awaitable<Result<void>> clear(BlockRange blocks);

  // Ends once every block of the range is here; `end` past the length follows what is appended, and with
  // no_end the download goes on until it is cancelled. Peers may come and go meanwhile.
  static constexpr BlockIndex no_end{max_wire_integer};
  boost::asio::awaitable<Result<void>> download(BlockRange blocks);

  // Waits until the peers that are connected now have said how long the core is and we have followed; gives
  // the length. With nobody connected: the length known here.
  boost::asio::awaitable<Result<Length>> update();

  // Events from here on.
  boost::asio::awaitable<Result<CoreEvents>> watch();

 private:
  friend class Node;
  struct Impl;
  explicit Core(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sheaf
