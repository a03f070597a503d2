// One remote address: dials, runs a session, backs off, and dials again, for as long as it is wanted.
#pragma once

#include <functional>

#include "engine/session/session.hpp"
#include "sheaf/net/transport.hpp"

namespace sheaf {

// Where a link's sessions are seen by the node that owns it.
class SessionWatcher {
 public:
  virtual void session_began(Session& session) = 0;
  virtual void session_secured(Session& session) = 0;
  virtual void session_over(Session& session, const SessionSummary& summary) = 0;

 protected:
  ~SessionWatcher() = default;
};

class Link {
 public:
  Link(NodeContext& node, CoreRegistry& cores, Coordinator& bundle, Dialer& dialer, SessionWatcher& watcher,
       Address address, const KeyPair& identity, std::function<bool(const PublicKey&)> admits);

  // One session, or with Until::closed as many as it takes until cancelled. Fails with the dialer's error, or
  // with no_peer or refused when no session got through its handshake.
  boost::asio::awaitable<Result<SessionSummary>> run(Until until);

 private:
  boost::asio::awaitable<Result<SessionSummary>> once(Until until);

  NodeContext& node_;
  CoreRegistry& cores_;
  Coordinator& bundle_;
  Dialer& dialer_;
  SessionWatcher& watcher_;
  Address address_;
  const KeyPair& identity_;
  std::function<bool(const PublicKey&)> admits_;
};

}  // namespace sheaf
