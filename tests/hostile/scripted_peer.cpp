#include "tests/hostile/scripted_peer.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sheaf::test {
namespace {

// Turns in a row without a byte after which the victim is taken to stand still.
constexpr int patience = 20;

NoiseHandshake::Options noise_options(const KeyPair& keys) {
  NoiseHandshake::Options out;
  out.static_key = keys;
  return out;
}

}  // namespace

Buffer raw_frame(Bytes body) {
  Buffer out;
  Writer writer(out);
  writer.u24(static_cast<std::uint32_t>(body.size()));
  writer.raw(body);
  return out;
}

Buffer mux_frame(std::uint64_t channel, std::uint64_t type, Bytes body) {
  Buffer out;
  Writer writer(out);
  writer.uint(channel);
  writer.uint(type);
  writer.raw(body);
  return out;
}

Buffer open_body(std::uint64_t channel, std::string_view protocol, Bytes id, Bytes handshake) {
  Buffer out;
  Writer writer(out);
  writer.uint(channel);
  writer.text(protocol);
  writer.buffer(id);
  writer.raw(handshake);
  return out;
}

Buffer text(std::string_view bytes) { return to_buffer(as_bytes(bytes)); }

Buffer numbers(std::initializer_list<std::uint64_t> values) {
  Buffer out;
  Writer writer(out);
  for (const std::uint64_t value : values) writer.uint(value);
  return out;
}

KeyPair ScriptedPeer::fresh_keys(HostileWorld& world) {
  Seed seed;
  world.random().fill(seed.bytes());
  return crypto::key_pair(seed);
}

ScriptedPeer::ScriptedPeer(HostileWorld& world, KeyPair keys, const Address& address)
    : world_(world), keys_(std::move(keys)), noise_(noise_options(keys_), world.random()) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(descriptor_ >= 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(descriptor_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own), &size);
  name_ = (address.scheme == Scheme::ws ? "ws://127.0.0.1:" : "tcp://127.0.0.1:") +
          std::to_string(ntohs(own.sin_port));
  if (address.port == world.address().port || address.port == world.web_address().port)
    world.connected(name_);
}

bool ScriptedPeer::write(Bytes bytes) {
  for (int idle = 0; !bytes.empty();) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      idle = 0;
      world_.turn(false);
    } else if (sent < 0 && errno != EAGAIN) {
      return false;
    } else if (!world_.turn(true) && ++idle > patience) {
      return false;
    }
  }
  return true;
}

bool ScriptedPeer::look() {
  if (descriptor_ < 0) over_ = true;
  if (over_) return false;
  std::byte chunk[16 * 1024];
  const ssize_t came = ::recv(descriptor_, chunk, sizeof chunk, 0);
  if (came > 0) append(inbox_, Bytes(chunk).first(static_cast<std::size_t>(came)));
  over_ = came == 0 || (came < 0 && errno != EAGAIN);
  return came > 0;
}

bool ScriptedPeer::fill() {
  for (int idle = 0; idle <= patience && !over_;) {
    if (look()) return true;
    if (!over_ && !world_.turn(true)) ++idle;
  }
  return false;
}

std::optional<Buffer> ScriptedPeer::read(std::size_t bytes) {
  while (inbox_.size() < bytes)
    if (!fill()) return std::nullopt;
  const auto end = inbox_.begin() + static_cast<std::ptrdiff_t>(bytes);
  Buffer out(inbox_.begin(), end);
  inbox_.erase(inbox_.begin(), end);
  return out;
}

Buffer ScriptedPeer::read_all() {
  while (fill()) {
  }
  return std::exchange(inbox_, Buffer());
}

std::optional<Buffer> ScriptedPeer::read_frame() {
  const auto prefix = read(3);
  if (!prefix) return std::nullopt;
  Reader in(*prefix);
  auto body = read(in.u24());
  if (!body) inbox_.insert(inbox_.begin(), prefix->begin(), prefix->end());  // the rest may still come
  return body;
}

void ScriptedPeer::end() { ::shutdown(descriptor_, SHUT_WR); }

void ScriptedPeer::reset() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void ScriptedPeer::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Buffer ScriptedPeer::first_flight() { return raw_frame(*noise_.write()); }

bool ScriptedPeer::read_second_flight() {
  const auto body = read_frame();
  return body && noise_.read(*body);
}

Buffer ScriptedPeer::third_flight() {
  Buffer out = raw_frame(*noise_.write());
  secrets_.emplace(noise_.take_keys());
  return out;
}

Buffer ScriptedPeer::header() {
  Buffer random(crypto::secretstream_header_bytes);
  world_.random().fill(random);
  Buffer body = to_buffer(stream_id(secrets_->hash, Role::initiator).bytes());
  push_.emplace(secrets_->tx, random);
  append(body, random);
  return raw_frame(body);
}

bool ScriptedPeer::read_header() {
  const auto body = read_frame();
  if (!body || body->size() != Hash::size + crypto::secretstream_header_bytes) return false;
  pull_.emplace(secrets_->rx, Bytes(*body).subspan(Hash::size));
  return true;
}

void ScriptedPeer::secure() {
  REQUIRE(write(first_flight()));
  REQUIRE(read_second_flight());
  REQUIRE(write(third_flight()));
  REQUIRE(write(header()));
  REQUIRE(read_header());
}

Buffer ScriptedPeer::sealed(Bytes plain) {
  Buffer out(3 + crypto::secretstream_overhead + plain.size());
  const std::size_t body = out.size() - 3;
  for (std::size_t i = 0; i < 3; ++i) out[i] = static_cast<std::byte>(body >> (8 * i));
  std::ranges::copy(plain, out.begin() + 4);
  push_->seal(MutableBytes(out).subspan(3));
  return out;
}

std::uint64_t ScriptedPeer::say_open(const CoreKey& key, std::optional<Hash> proof) {
  Buffer handshake;
  Writer writer(handshake);
  encode(writer, ChannelHandshake{true, proof.value_or(capability(key, secrets_->hash, Role::initiator))});
  const std::uint64_t channel = ++channels_;
  say(control_channel, type_number(ControlType::open),
      open_body(channel, core_protocol, discovery_key(key).bytes(), handshake));
  return channel;
}

bool ScriptedPeer::hear_open(const CoreKey& key, std::uint64_t channel) {
  std::vector<Buffer> others;
  bool found = false;
  while (!found) {
    const auto body = hear_control(ControlType::open);
    if (!body) break;
    Reader in(*body);
    const std::uint64_t number = in.uint();
    in.text();
    found = equal(in.buffer(), discovery_key(key).bytes());
    if (found)
      theirs_[channel] = number;
    else
      others.push_back(*body);
  }
  for (Buffer& other : others)
    heard_.push_front({control_channel, type_number(ControlType::open), std::move(other)});
  return found;
}

std::uint64_t ScriptedPeer::open_core(const CoreKey& key) {
  const std::uint64_t channel = say_open(key);
  REQUIRE(hear_open(key, channel));
  return channel;
}

bool ScriptedPeer::open_bundle(std::optional<Hash> proof) {
  const CoordinatorKeys keys = bundle_keys();
  coordinator::Handshake ours;
  ours.proof = proof.value_or(keys.proof(Role::initiator));
  Buffer handshake;
  Writer writer(handshake);
  encode(writer, ours);
  bundle_ = ++channels_;
  say(control_channel, type_number(ControlType::open),
      open_body(bundle_, coordinator::protocol_name, keys.topic().bytes(), handshake));
  std::vector<Buffer> others;
  bool found = false;
  while (!found) {
    const auto body = hear_control(ControlType::open);
    if (!body) break;
    Reader in(*body);
    const std::uint64_t number = in.uint();
    found = in.text() == coordinator::protocol_name;
    if (found)
      theirs_[bundle_] = number;
    else
      others.push_back(*body);
  }
  for (Buffer& other : others)
    heard_.push_front({control_channel, type_number(ControlType::open), std::move(other)});
  return found;
}

std::optional<Buffer> ScriptedPeer::hear_bundle(coordinator::MessageType type) {
  const auto number = theirs_.find(bundle_);
  if (number == theirs_.end()) return std::nullopt;
  return take(number->second, static_cast<std::uint64_t>(type));
}

bool ScriptedPeer::hear_frame() {
  auto body = read_frame();
  if (!body) return false;
  const auto plain = pull_->open(*body);
  REQUIRE(plain.has_value());
  FrameReader reader;
  reader.load(*plain);
  FrameEntry entry;
  for (auto step = reader.next(entry); step != FrameReader::Step::drained; step = reader.next(entry))
    if (step == FrameReader::Step::entry)
      heard_.push_back({entry.channel, entry.type, to_buffer(entry.body)});
  return true;
}

std::optional<Buffer> ScriptedPeer::take(std::uint64_t channel, std::uint64_t type) {
  for (;;) {
    for (auto at = heard_.begin(); at != heard_.end(); ++at) {
      if (at->channel != channel || at->type != type) continue;
      Buffer body = std::move(at->body);
      heard_.erase(at);
      return body;
    }
    if (!hear_frame()) return std::nullopt;
  }
}

std::optional<Buffer> ScriptedPeer::hear(std::uint64_t channel, MessageType type) {
  return take(theirs_.at(channel), static_cast<std::uint64_t>(type));
}

std::optional<Buffer> ScriptedPeer::hear_control(ControlType type) {
  return take(control_channel, type_number(type));
}

bool ScriptedPeer::alive() {
  world_.until(
      [&] {
        while (look()) {
        }
        return over_;
      },
      std::chrono::milliseconds(100));
  return !over_ && !world_.ended(name_);
}

SessionEnd ScriptedPeer::ended(Duration most) {
  std::optional<SessionSummary> summary;
  const auto over = [&] {
    look();
    return over_ || (summary = world_.ended(name_)).has_value();
  };
  world_.until(over, most);
  close();
  world_.until([&] { return (summary = world_.ended(name_)).has_value(); }, std::chrono::seconds(2));
  return summary ? summary->reason : SessionEnd::local_ended;
}

}  // namespace sheaf::test
