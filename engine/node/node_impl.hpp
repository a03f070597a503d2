// What stands behind Node: the parts of a running node, their order of birth, and the hop onto its strand.
#pragma once

#include <list>
#include <set>
#include <unordered_map>

#include <boost/asio/strand.hpp>

#include "engine/archive/archive_lock.hpp"
#include "engine/archive/archive_news.hpp"
#include "engine/archive/bee_cache.hpp"
#include "engine/coordinator/coordinator.hpp"
#include "engine/core/core_registry.hpp"
#include "engine/core/event_queue.hpp"
#include "engine/node/ban_list.hpp"
#include "engine/session/link.hpp"
#include "net/admission.hpp"
#include "net/listener.hpp"
#include "sheaf/engine/node.hpp"

namespace sheaf {

class OpenArchive;
class OpenBee;

// Of decoded blocks, all trees together.
inline constexpr std::size_t decoded_bytes_most = 32 * 1024 * 1024;

struct Node::Impl final : public SessionWatcher, public NodeHooks {
  Impl(Environment environment, NodeOptions options, Backend& root, std::unique_ptr<Backend> owned_root);

  boost::asio::awaitable<Result<void>> start();
  boost::asio::awaitable<void> close();

  // -- SessionWatcher and NodeHooks.
  void session_began(Session& session) override;
  void session_secured(Session& session) override;
  void session_over(Session& session, const SessionSummary& summary) override;
  void store_failed(Error error) override;
  void core_frozen(const CoreKey& key) override;
  void core_changed(OpenCore& core) override;
  void core_wanted(OpenCore& core) override { bundle.core_wanted(core); }
  void header_came(const DiscoveryKey& db) override;
  void archive_moved(const ArchiveEvent& event) override;
  void partner_needed(const OpenCore& core) override;
  void quota_moved(const CoreKey& archive) override;
  void memory_spent() override;

  bool admits(const PublicKey& remote) const;
  boost::asio::awaitable<Result<Address>> listen(Address address);
  boost::asio::awaitable<Result<void>> stop_listening(Address address);
  boost::asio::awaitable<void> accept_loop(Listener& listener);
  boost::asio::awaitable<void> serve(std::unique_ptr<ByteStream> stream);
  boost::asio::awaitable<Result<SessionSummary>> connect(Address address, Until until);
  boost::asio::awaitable<Result<SessionSummary>> replicate(std::unique_ptr<ByteStream> stream, bool initiator,
                                                           Until until);
  boost::asio::awaitable<Result<SessionSummary>> run_link(Address address, Until until);
  boost::asio::awaitable<Result<SessionSummary>> run_session(std::unique_ptr<ByteStream> stream,
                                                             bool initiator, Until until, bool trusted);
  // Runs what a caller awaits so that close() ends and joins it like our own.
  boost::asio::awaitable<Result<SessionSummary>> as_guest(
      boost::asio::awaitable<Result<SessionSummary>> work);
  boost::asio::awaitable<Result<OpenCore*>> create_core(std::string name);
  boost::asio::awaitable<Result<OpenCore*>> follow(CoreKey key, FollowOptions follow);
  boost::asio::awaitable<Result<std::shared_ptr<OpenArchive>>> follow_archive(CoreKey key,
                                                                              FollowOptions follow);
  boost::asio::awaitable<Result<std::shared_ptr<OpenArchive>>> archive(CoreKey key);
  boost::asio::awaitable<Result<std::shared_ptr<OpenArchive>>> init_archive(OwnArchiveOptions options);
  // Opened, or made where it is not known. `foreign`: its secret key has been elsewhere.
  boost::asio::awaitable<Result<OpenCore*>> own_core(CoreRecord record, bool foreign = false);
  // Both cores of the archive of that primary key, sealed with the encryption key where they are made now.
  boost::asio::awaitable<Result<CoreKey>> own_cores(const Seed& primary_key,
                                                    const std::optional<EncryptionKey>& encryption_key,
                                                    bool foreign = false);
  boost::asio::awaitable<Result<std::optional<CoreKey>>> own_archive();
  boost::asio::awaitable<Result<std::shared_ptr<ArchiveNews::Reader>>> watch_archives();
  boost::asio::awaitable<Result<Buffer>> export_keys();
  boost::asio::awaitable<Result<void>> import_keys(Buffer text);
  boost::asio::awaitable<Result<void>> end_sessions(std::optional<std::string> remote);
  // Follows the blobs core of an archive whose header has come, and offers it to every session.
  boost::asio::awaitable<void> find_blobs(DiscoveryKey db);
  boost::asio::awaitable<Result<void>> follow_blobs(DiscoveryKey db);
  boost::asio::awaitable<Result<std::shared_ptr<OpenBee>>> bee(CoreKey key);
  boost::asio::awaitable<Result<std::vector<CoreKey>>> list_archives();
  boost::asio::awaitable<Result<void>> forget(CoreKey key, bool own_too);
  boost::asio::awaitable<Result<std::vector<CoreInfo>>> list_cores();
  boost::asio::awaitable<Result<void>> sync();
  boost::asio::awaitable<void> reopen_store();
  void store_stopped(Error why);
  void store_healed();
  boost::asio::awaitable<void> save_frozen(DiscoveryKey key);
  boost::asio::awaitable<void> open_partner(DiscoveryKey of, CoreKey partner);
  void tell_of_quota(const CoreKey& archive);
  void watch_memory();
  void memory_came_back();
  // Tells of a core that has just come to be known: plain peers are offered it, the bundle hears of it.
  void offer(OpenCore& core);
  // Offers one that the user asks for to every session under way.
  void ask_for(OpenCore& core);

  Environment environment;
  NodeOptions options;
  boost::asio::any_io_executor strand;
  std::unique_ptr<Backend> owned_root;
  Backend& root;
  CoreTable table;
  KeyPair identity;
  SlabPool slabs;
  Admission admission;
  std::unique_ptr<Dialer> own_dialer;
  Dialer* dialer;
  TaskGroup tasks;        // work of cores
  TaskGroup connections;  // listeners, sessions, links
  NodeContext context;
  CoreRegistry cores;
  BeeCache decoded{decoded_bytes_most};
  Coordinator bundle;
  EventQueue<NodeEvent> events;
  std::unordered_map<DiscoveryKey, std::shared_ptr<OpenArchive>, FixedBytesHash> archives;  // those in use
  std::unordered_map<DiscoveryKey, std::shared_ptr<OpenBee>, FixedBytesHash> bees;  // on bare cores, as well
  std::optional<CoreKey> own_key;  // of the archive that this folder writes, once there is a primary key
  ArchiveLock own_turn;            // to make it
  ArchiveNews news;
  std::set<DiscoveryKey> headers_seen;      // of archives whose blobs core is sought, or cannot be found
  std::set<DiscoveryKey> partners_opening;  // so that all is known that an archive keeps
  std::list<Session*> sessions;
  std::list<std::unique_ptr<Listener>> listeners;
  std::list<TaskGroup*> guests;
  Signal guest_left;
  BanList banned;
  std::shared_ptr<Impl*> alive = std::make_shared<Impl*>(this);  // what comes from other threads looks here
  bool reopening = false;
  Duration reopen_pause{};  // before the next try
  Instant healed_at{};      // from then on a failure is a new one
  bool stop_told = false;   // of the present failure
  bool closed = false;
};

struct Core::Impl {
  Node::Impl* node;
  DiscoveryKey discovery_key;
  CoreKey key;
};

struct ArchiveEvents::Impl {
  Node::Impl* node;
  std::shared_ptr<ArchiveNews::Reader> reader;
};

struct CoreEvents::Impl {
  Node::Impl* node;
  std::shared_ptr<OpenCore::Events> queue;
};

}  // namespace sheaf
