#include "protocol/channel_table.hpp"

#include <algorithm>
#include <cstring>

#include "protocol/crypto.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

std::size_t ChannelTable::KeyHash::operator()(const Key& key) const noexcept {
  std::size_t out;
  std::memcpy(&out, key.id.data(), sizeof out);  // ids are keys or hashes: any of their bytes will do
  return out ^ (std::size_t{key.protocol} << 8) ^ key.id_bytes;
}

LocalId ChannelTable::add(ChannelIdentity identity) {
  invariant(!has(identity), "one channel an identity");
  if (std::find(protocols_.begin(), protocols_.end(), identity.protocol) == protocols_.end())
    protocols_.emplace_back(identity.protocol);

  LocalId channel{static_cast<std::uint32_t>(channels_.size() + 1)};
  if (free_.empty()) {
    channels_.emplace_back();
  } else {
    channel = free_.back();
    free_.pop_back();
  }
  const auto [place, fresh] = live_.emplace(*find_key(identity), channel);
  at(channel) = {State::opening, RemoteId{}, &place->first};
  return channel;
}

std::optional<LocalId> ChannelTable::live(ChannelIdentity identity) const {
  const auto key = find_key(identity);
  if (!key) return std::nullopt;
  const auto place = live_.find(*key);
  if (place == live_.end()) return std::nullopt;
  return place->second;
}

ChannelTable::State ChannelTable::state(LocalId channel) const {
  if (channel.value == 0 || channel.value > channels_.size()) return State::free;
  return channels_[channel.value - 1].state;
}

void ChannelTable::pair(LocalId channel, RemoteId remote) {
  invariant(state(channel) == State::opening, "only a channel that is opening is paired");
  remotes_[remote.value] = channel;
  at(channel).state = State::open;
  at(channel).remote = remote;
}

void ChannelTable::abandon(LocalId channel) {
  invariant(state(channel) == State::opening, "only an unanswered channel is abandoned");
  abandoned_.push_back({channel, *at(channel).key});
  live_.erase(abandoned_.back().key);
  at(channel) = {State::abandoned, RemoteId{}, nullptr};
}

void ChannelTable::remove(LocalId channel) {
  switch (state(channel)) {
    case State::free: invariant(false, "a free channel is not removed"); break;
    case State::opening: live_.erase(Key(*at(channel).key)); break;
    case State::open:
      remotes_.erase(at(channel).remote.value);
      live_.erase(Key(*at(channel).key));
      break;
    case State::abandoned:
      std::erase_if(abandoned_, [&](const Abandoned& a) { return a.channel == channel; });
      break;
  }
  at(channel) = {};
  free_.push_back(channel);
}

std::optional<LocalId> ChannelTable::abandoned(ChannelIdentity identity) const {
  if (abandoned_.empty()) return std::nullopt;
  const auto key = find_key(identity);
  if (!key) return std::nullopt;
  const auto place =
      std::find_if(abandoned_.begin(), abandoned_.end(), [&](const Abandoned& a) { return a.key == *key; });
  if (place == abandoned_.end()) return std::nullopt;
  return place->channel;
}

bool ChannelTable::may_open(RemoteId remote) const {
  return remote.value >= 1 && remote.value <= highest_remote_ + 1 && !remotes_.contains(remote.value);
}

void ChannelTable::saw(RemoteId remote) { highest_remote_ = std::max(highest_remote_, remote.value); }

void ChannelTable::hold(RemoteId remote) { remotes_[remote.value] = LocalId{}; }

void ChannelTable::release(RemoteId remote) {
  invariant(is_pending(remote), "only a pending number is released");
  remotes_.erase(remote.value);
}

bool ChannelTable::is_pending(RemoteId remote) const {
  const auto place = remotes_.find(remote.value);
  return place != remotes_.end() && place->second == LocalId{};
}

std::optional<LocalId> ChannelTable::paired(RemoteId remote) const {
  const auto place = remotes_.find(remote.value);
  if (place == remotes_.end() || place->second == LocalId{}) return std::nullopt;
  return place->second;
}

std::optional<ChannelTable::Key> ChannelTable::find_key(ChannelIdentity identity) const {
  const auto protocol = std::find(protocols_.begin(), protocols_.end(), identity.protocol);
  if (protocol == protocols_.end()) return std::nullopt;
  Key key;
  key.protocol = static_cast<std::uint16_t>(protocol - protocols_.begin());
  key.id_bytes = static_cast<std::uint16_t>(identity.id.size());
  if (identity.id.size() <= key.id.size())
    std::copy(identity.id.begin(), identity.id.end(), key.id.begin());
  else
    key.id = crypto::blake2b({identity.id}).value;
  return key;
}

}  // namespace sheaf
