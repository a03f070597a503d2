// A peer that says what a test tells it to, byte by byte, over a TCP connection to the victim.
//
// It dials on construction and is the initiator. Each layer can be used or left out: raw bytes, Noise, sealed
// frames, mux frames, messages of a core. While it waits, the world runs. Nothing here checks what the
// victim says: that is for the tests.
#pragma once

#include <deque>
#include <map>

#include "protocol/coordinator_keys.hpp"
#include "protocol/frame_reader.hpp"
#include "protocol/messages.hpp"
#include "protocol/mux_format.hpp"
#include "protocol/noise.hpp"
#include "tests/hostile/hostile_world.hpp"

namespace sheaf::test {

Buffer raw_frame(Bytes body);  // u24 length and body
Buffer mux_frame(std::uint64_t channel, std::uint64_t type, Bytes body);
Buffer open_body(std::uint64_t channel, std::string_view protocol, Bytes id, Bytes handshake = {});
Buffer text(std::string_view bytes);
Buffer numbers(std::initializer_list<std::uint64_t> values);  // compact uints, one after another

class ScriptedPeer {
 public:
  explicit ScriptedPeer(HostileWorld& world) : ScriptedPeer(world, fresh_keys(world)) {}
  ScriptedPeer(HostileWorld& world, KeyPair keys) : ScriptedPeer(world, std::move(keys), world.address()) {}
  // To another address than the victim's first.
  ScriptedPeer(HostileWorld& world, KeyPair keys, const Address& address);
  ~ScriptedPeer() { close(); }
  ScriptedPeer(const ScriptedPeer&) = delete;

  static KeyPair fresh_keys(HostileWorld& world);
  const KeyPair& keys() const { return keys_; }

  // -- Raw bytes.
  // As many as the victim takes before it has stood still for a while; false unless that was all.
  bool write(Bytes bytes);
  std::optional<Buffer> read(std::size_t bytes);  // none: the connection ended, or nothing came
  std::optional<Buffer> read_frame();             // the body
  Buffer read_all();                              // until the victim ends, or says nothing for a while
  void end();                                     // FIN
  void reset();                                   // RST
  void close();
  bool connected() const { return descriptor_ >= 0; }

  // -- The handshake.
  Buffer first_flight();      // message 1, framed
  bool read_second_flight();  // false if none came
  Buffer third_flight();      // message 3, framed
  Buffer header();            // our header, framed; sealing is possible from here on
  bool read_header();
  void secure();  // all of it

  // -- Frames and messages. Requires: secured.
  Buffer sealed(Bytes plain);  // a whole frame
  bool send(Bytes plain) { return write(sealed(plain)); }
  bool say(std::uint64_t channel, std::uint64_t type, Bytes body) {
    return send(mux_frame(channel, type, body));
  }
  template <class Message>
  bool say(std::uint64_t channel, MessageType type, const Message& message) {
    Buffer body;
    Writer writer(body);
    encode(writer, message);
    return say(channel, static_cast<std::uint64_t>(type), body);
  }
  // Opens the core's channel on both sides and gives our number of it.
  std::uint64_t open_core(const CoreKey& key);
  // Our open of the core's channel alone, with this capability or the right one.
  std::uint64_t say_open(const CoreKey& key, std::optional<Hash> capability = {});
  bool hear_open(const CoreKey& key, std::uint64_t channel);

  // Says our open of the open bundle's channel, with this proof or the right one; true once the victim's is
  // here.
  bool open_bundle(std::optional<Hash> proof = {});
  bool say_bundle_bytes(coordinator::MessageType type, Bytes body) {
    return say(bundle_, static_cast<std::uint64_t>(type), body);
  }
  template <class Message>
  bool say_bundle(coordinator::MessageType type, const Message& message) {
    Buffer body;
    Writer writer(body);
    encode(writer, message);
    return say_bundle_bytes(type, body);
  }
  std::optional<Buffer> hear_bundle(coordinator::MessageType type);
  CoordinatorKeys bundle_keys() const { return {open_bundle_secret(), secrets_->hash}; }

  // The victim's next message of this type on our channel of that number.
  std::optional<Buffer> hear(std::uint64_t channel, MessageType type);
  // The victim's next message on the mux's own channel.
  std::optional<Buffer> hear_control(ControlType type);

  // Still connected, after the victim has done all that it had to do.
  bool alive();

  std::string name() const { return name_; }  // as the victim calls it
  const WideHash& handshake_hash() const { return secrets_->hash; }

  // How the victim ended our session, within so much of its clock; local_ended if it did not.
  SessionEnd ended(Duration most = std::chrono::minutes(2));

 private:
  struct Heard {
    std::uint64_t channel;
    std::uint64_t type;
    Buffer body;
  };
  bool look();  // reads what is there without waiting
  bool fill();  // reads what is there; false if nothing came
  bool hear_frame();
  std::optional<Buffer> take(std::uint64_t channel, std::uint64_t type);

  HostileWorld& world_;
  KeyPair keys_;
  NoiseHandshake noise_;
  std::optional<HandshakeKeys> secrets_;
  std::optional<crypto::Push> push_;
  std::optional<crypto::Pull> pull_;
  int descriptor_ = -1;
  bool over_ = false;  // the victim closed its direction
  std::string name_;
  Buffer inbox_;
  std::deque<Heard> heard_;
  std::map<std::uint64_t, std::uint64_t> theirs_;  // our number of a channel -> the victim's
  std::uint64_t channels_ = 0;
  std::uint64_t bundle_ = 0;  // our number of the bundle's channel
};

}  // namespace sheaf::test
