// Two ends of a connection in memory, with the weather of a road: delay, rate, splitting, a cut.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <boost/asio/any_io_executor.hpp>

#include "sheaf/net/byte_stream.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf {

// One direction of the road.
struct Road {
  Duration delay{};                          // of each byte, one way
  std::uint64_t bytes_per_second = 0;        // 0: as fast as one writes
  std::size_t buffer_bytes = 256 * 1024;     // under way and unread; beyond it the writer waits
  RandomSource* split = nullptr;             // draws how much of what is there each read gives
  std::optional<std::uint64_t> cut_after{};  // the connection breaks once so many bytes were read
};

class LoopbackWire;

class LoopbackStream final : public ByteStream {
 public:
  LoopbackStream(std::shared_ptr<LoopbackWire> wire, bool second) : wire_(std::move(wire)), second_(second) {}
  ~LoopbackStream() override;

  Result<std::size_t> try_read(MutableBytes into) override;
  boost::asio::awaitable<Result<void>> readable() override;
  Result<std::size_t> try_write(std::span<const Bytes> runs) override;
  boost::asio::awaitable<Result<void>> writable() override;
  void end() override;
  void close() override;
  std::string remote() const override;

  // Breaks the connection, as a reset does: what is under way is lost in both directions.
  void cut();
  // Bytes written here that the other side has not read.
  std::size_t under_way() const;

 private:
  bool something_to_read() const;
  boost::asio::awaitable<Result<void>> until_told();

  std::shared_ptr<LoopbackWire> wire_;  // the two ends may go in either order
  bool second_;
};

struct LoopbackPair {
  std::unique_ptr<LoopbackStream> first;
  std::unique_ptr<LoopbackStream> second;
};

// Both ends are used from one strand. `timers` and the split sources outlive them.
LoopbackPair make_loopback(Timers& timers, const Road& to_second = {}, const Road& to_first = {});

}  // namespace sheaf
