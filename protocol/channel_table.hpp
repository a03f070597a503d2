// Which channels two sides have between them: numbers, identities, and who pairs with whom. No bytes move
// here.
//
// Rules: docs/wire.md, Mux. A channel's identity is its protocol and id; on our side at most one channel of
// an identity is open or opening ("unique"). Memory grows with channels that are open, opening or abandoned,
// never with the numbers that the other side chooses: about 150 bytes a channel.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/channel_ids.hpp"
#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

// What a channel is for. Views, as they are passed about; an absent id is the empty one.
struct ChannelIdentity {
  std::string_view protocol;
  Bytes id;
};

class ChannelTable {
 public:
  // One of our channels:
  //   free -> opening     our open is said, the other side's is awaited
  //   opening -> open     paired: both opens are there
  //   opening -> abandoned  we closed it, but its number is reserved until the other side has answered
  //   any -> free
  enum class State : std::uint8_t { free, opening, open, abandoned };

  // Takes a number for a new channel, opening. Requires: !has(identity).
  LocalId add(ChannelIdentity identity);
  // Opening or open.
  bool has(ChannelIdentity identity) const { return live(identity).has_value(); }
  std::optional<LocalId> live(ChannelIdentity identity) const;
  State state(LocalId channel) const;  // free for numbers never used

  // Requires for pair(): opening; for abandon(): opening.
  void pair(LocalId channel, RemoteId remote);
  void abandon(LocalId channel);
  // Frees the number, of whatever state, and the remote number if there is one.
  void remove(LocalId channel);
  // The oldest abandoned channel of this identity: the other side's next open answers that one.
  std::optional<LocalId> abandoned(ChannelIdentity identity) const;

  // The other side's numbers: each is unused, awaits our decision, or belongs to one of our channels.
  bool may_open(RemoteId remote) const;  // not in use, and at most one above the highest ever seen
  void saw(RemoteId remote);
  void hold(RemoteId remote);     // pending
  void release(RemoteId remote);  // of a pending one
  bool is_pending(RemoteId remote) const;
  std::optional<LocalId> paired(RemoteId remote) const;

  std::size_t size() const { return channels_.size() - free_.size(); }

 private:
  // An identity in fixed size: the protocol by its number here, ids above 32 bytes by their hash.
  struct Key {
    std::uint16_t protocol{};
    std::uint16_t id_bytes{};
    std::array<std::byte, 32> id{};
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Channel {
    State state = State::free;
    RemoteId remote;           // 0 unless open
    const Key* key = nullptr;  // of its place in live_; none unless opening or open
  };
  struct Abandoned {
    LocalId channel;
    Key key;
  };

  std::optional<Key> find_key(ChannelIdentity identity) const;
  Channel& at(LocalId channel) { return channels_.at(channel.value - 1); }

  std::vector<std::string> protocols_;  // those that we opened, ever
  std::vector<Channel> channels_;       // by local number - 1
  std::vector<LocalId> free_;           // the most recently freed last
  std::vector<Abandoned> abandoned_;    // the oldest first
  std::unordered_map<Key, LocalId, KeyHash> live_;

  std::unordered_map<std::uint32_t, LocalId> remotes_;  // local number 0: pending
  std::uint32_t highest_remote_ = 0;
};

}  // namespace sheaf
