// A scripted peer that plays the writer of the followed core, and may lie about it.
#pragma once

#include <functional>

#include "tests/hostile/scripted_peer.hpp"

namespace sheaf::test {

class Liar {
 public:
  // Changes an answer on its way out; what it refers to has to live until it was sent.
  using Lie = std::function<void(const Request&, Data&)>;

  Liar(HostileWorld& world, LogWriter& log) : log_(log), peer_(world) { begin(); }
  Liar(HostileWorld& world, LogWriter& log, KeyPair keys) : log_(log), peer_(world, keys) { begin(); }
  Liar(HostileWorld& world, LogWriter& log, const Address& address)
      : log_(log), peer_(world, ScriptedPeer::fresh_keys(world), address) {
    begin();
  }

  ScriptedPeer& peer() { return peer_; }
  std::uint64_t channel() const { return channel_; }

  // Says the log's length and fork as they are, and that these blocks are here (all, if none are named).
  void announce(std::optional<BlockRange> blocks = {}) {
    SyncMessage sync;
    sync.fork = log_.head.fork;
    sync.length = log_.head.length;
    sync.remote_length = known_;
    sync.can_upgrade = true;
    sync.has_manifest = true;
    peer_.say(channel_, MessageType::sync, sync);
    const BlockRange all{{}, end_of(log_.head.length)};
    const BlockRange here = blocks.value_or(all);
    peer_.say(channel_, MessageType::range, RangeMessage{false, here.begin, here.count()});
  }
  // What the victim already has, as it told us.
  void knows(Length length) { known_ = length; }

  // The victim's next request; none if it asks nothing more.
  std::optional<Request> asked() {
    const auto body = peer_.hear(channel_, MessageType::request);
    if (!body) return std::nullopt;
    const auto request = decode_request(*body);
    REQUIRE(request.has_value());
    return *request;
  }

  void answer(const Request& request, const Lie& lie = {}) {
    Data data{request.id, request.fork, {}, {}};
    Buffer manifest;
    if (request.manifest && log_.manifest) {
      encode_manifest(*log_.manifest, manifest);
      data.manifest = manifest;
    }
    if (auto proof = log_.answer(request.proof)) data.proof = std::move(*proof);
    if (lie) lie(request, data);
    peer_.say(channel_, MessageType::data, data);
  }

  // Answers all that is asked until nothing more comes; gives how many answers that were.
  std::size_t serve(const Lie& lie = {}) {
    std::size_t answers = 0;
    while (const auto request = asked()) {
      answer(*request, lie);
      ++answers;
    }
    return answers;
  }

 private:
  void begin() {
    peer_.secure();
    channel_ = peer_.open_core(log_.key);
  }

  LogWriter& log_;
  ScriptedPeer peer_;
  std::uint64_t channel_ = 0;
  Length known_;
};

}  // namespace sheaf::test
