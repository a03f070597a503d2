// One connection, from handshake to end: a stream, a machine, a pump, and the cores whose channels run on it.
//
// Never restarted: a new connection is a new session. run() ends when either side closes, when a limit is
// reached, or, with Until::complete, once it is complete.
//
// It first asks the other side for its bundle (docs/protocol.md). With a peer that proves that it knows it,
// channels of cores are opened as the coordinator wants them, and the session is complete when both sides
// have settled. A peer that rejects it is plain: every core is offered, and the session is complete once
// everything the peer announced is here and it has been quiet.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "engine/coordinator/coordinator.hpp"
#include "engine/core/core_registry.hpp"
#include "net/pump.hpp"
#include "protocol/session_machine.hpp"
#include "sheaf/engine/node.hpp"

namespace sheaf {

class Session final : private PumpOwner, private SessionPort, public CoordinatorSession {
 public:
  struct Options {
    Role role = Role::initiator;
    KeyPair identity;
    std::optional<PublicKey> expected_remote;
    std::function<bool(const PublicKey&)> admits;
    Until until = Until::ended;
    std::function<void()> secured;  // called once, when the handshake is through
    bool trusted = false;           // the user chose this peer: L13 is lifted, private cores are shared
  };

  Session(NodeContext& node, CoreRegistry& cores, Coordinator& bundle, std::unique_ptr<ByteStream> stream,
          Options options);
  ~Session();

  // Called once, and joined before the session goes. Cancelling ends the session from our side.
  boost::asio::awaitable<SessionSummary> run();

  // Offers a core that was created or followed after the session began: to a plain peer.
  void offer(OpenCore& core);
  // -- CoordinatorSession.
  CoordinatorChannel* coordinator() override { return machine_.coordinator(); }
  void share(OpenCore& core, bool told) override;
  bool shows(const DiscoveryKey& core) const override;
  bool complete() const override;
  void was_refused(coordinator::RefusalReason reason) override { ++summary_.refused[to_string(reason)]; }
  void left_with_put_off() override { store_kept_out_ = true; }
  void unshare(OpenCore& core) override;
  CoreChannel* channel_of(const OpenCore& core) override;
  void look_again() override { flush(); }
  void first_look_done() override;

  // Ends it from our side; what was said still goes out.
  void close() { end(SessionEnd::local_ended); }
  // Memory for frames has come back: it may read on.
  void wake() { pump_.wake(); }
  // Its frame came too slowly for the memory that it holds (L3).
  void give_up_frame() { end(SessionEnd::slow_frame); }
  std::uint64_t account_id() const { return machine_.account_id(); }

  std::string remote() const { return stream_->remote(); }
  std::optional<PublicKey> remote_key() const;
  bool secured() const { return machine_.secured(); }

 private:
  // -- PumpOwner and SessionPort.
  void drain() override;
  void flush() override;
  void end(SessionEnd reason) override;
  bool has_send_room() const override { return machine_.has_send_room(); }
  void expect_answer() override;
  void channel_moved(CoreChannel& channel) override;
  void count_received(std::uint64_t blocks) override { summary_.blocks_received += blocks; }
  void count_sent(std::uint64_t blocks) override { summary_.blocks_sent += blocks; }
  bool forgive_bad_block() override { return ++bad_blocks_ <= node_.limits.bad_blocks_session; }
  bool forgive_invalid_request() override {
    return ++invalid_requests_ <= node_.limits.invalid_requests_session;
  }

  // What the other side is to us.
  enum class Kind : std::uint8_t {
    undecided,  // it has not answered our open of the bundle: we open nothing else
    plain,      // it does not know the bundle
    proved,
    parted,  // it said goodbye, or proved to be no one of the bundle: we open nothing more
  };

  void on(const SessionEvent& event);
  void look_at_bundle();
  bool may_finish();
  void note_goodbye(const CoordinatorChannel& channel);
  boost::asio::awaitable<void> finish();
  boost::asio::awaitable<void> share_private();
  boost::asio::awaitable<void> open_all();
  boost::asio::awaitable<void> open_and_answer(CoreRequested request);
  void answer_open(OpenCore& core, const CoreRequested& request);
  boost::asio::awaitable<void> watch_completion();
  boost::asio::awaitable<void> drain_again();
  boost::asio::awaitable<void> watch_answers();
  boost::asio::awaitable<void> watch_idle();
  boost::asio::awaitable<void> trim();
  bool may_close(OpenCore& core, const CoreChannel& channel) const;
  void close_idle();
  void forget_channel(CoreChannel& channel);

  NodeContext& node_;
  CoreRegistry& cores_;
  Coordinator& bundle_;
  std::unique_ptr<ByteStream> stream_;
  Options options_;
  SessionMachine machine_;
  Pump pump_;
  TaskGroup tasks_;  // what this session has under way besides its pump
  std::map<CoreChannel*, OpenCore*> channels_;
  struct Shared {
    CoreChannel* channel;
    Instant used;  // when something last came on it, or it was opened
  };
  std::map<const OpenCore*, Shared> by_core_;
  std::set<DiscoveryKey> refused_;  // by the peer, so we do not ask again
  Kind kind_ = Kind::undecided;
  bool proved_ = false;          // at some time
  bool store_kept_out_ = false;  // something that the peer has told: it is not here
  SessionSummary summary_;
  Instant last_heard_;  // the last message or answer, keep-alives not counted
  std::uint64_t messages_heard_ = 0;
  std::size_t bad_blocks_ = 0;
  std::size_t invalid_requests_ = 0;
  std::size_t opening_ = 0;  // cores being opened for this session
  bool draining_ = false;
  bool drain_posted_ = false;
  bool watching_answers_ = false;
  bool watching_idle_ = false;
  bool trim_posted_ = false;
  bool finish_posted_ = false;
  bool counted_connecting_ = true;
};

}  // namespace sheaf
