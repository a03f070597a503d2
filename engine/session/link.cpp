#include "engine/session/link.hpp"

#include "net/backoff.hpp"
#include "sheaf/net/error.hpp"

namespace sheaf {
namespace {

// A session that lived this long counts as a success: the next dial begins without a wait.
constexpr Duration lived = std::chrono::seconds(10);

}  // namespace

Link::Link(NodeContext& node, CoreRegistry& cores, Coordinator& bundle, Dialer& dialer,
           SessionWatcher& watcher, Address address, const KeyPair& identity,
           std::function<bool(const PublicKey&)> admits)
    : node_(node),
      cores_(cores),
      bundle_(bundle),
      dialer_(dialer),
      watcher_(watcher),
      address_(std::move(address)),
      identity_(identity),
      admits_(std::move(admits)) {}

boost::asio::awaitable<Result<SessionSummary>> Link::once(Until until) {
  ++node_.connecting;
  auto stream = co_await dialer_.dial(address_);
  --node_.connecting;
  node_.connected.notify();
  if (!stream) co_return stream.error();
  Session::Options options;
  options.role = Role::initiator;
  options.identity = identity_;
  options.expected_remote = address_.key;
  options.admits = admits_;
  options.until = until;
  options.trusted = true;
  Session* self = nullptr;
  options.secured = [this, &self] { watcher_.session_secured(*self); };
  Session session(node_, cores_, bundle_, std::move(*stream), std::move(options));
  self = &session;
  watcher_.session_began(session);
  const SessionSummary summary = co_await session.run();
  watcher_.session_over(session, summary);
  if (!summary.remote_key) {
    if (summary.reason == SessionEnd::refused_key) co_return EngineErrc::refused;
    co_return EngineErrc::no_peer;
  }
  co_return summary;
}

boost::asio::awaitable<Result<SessionSummary>> Link::run(Until until) {
  if (until != Until::closed) co_return co_await once(until);
  std::uint64_t failures = 0;
  Result<SessionSummary> last = cancelled_error();
  while (!co_await was_cancelled()) {
    const Instant began = node_.timers.now();
    last = co_await once(Until::ended);
    failures = last && node_.timers.now() - began >= lived ? 0 : failures + 1;
    if (co_await was_cancelled()) break;
    const Duration pause = backoff_delay(failures, node_.random.next());
    if (!co_await node_.timers.sleep_until(node_.timers.now() + pause)) break;
  }
  co_return last;
}

}  // namespace sheaf
