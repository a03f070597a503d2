// The running whole: one folder's cores, the sessions over which they are replicated, and who is listened to.
//
// A node lives on one strand that it makes on the given executor; its functions may be awaited on any
// executor. It owns everything that runs in it; close() ends and joins all of it and has to be awaited
// before the node is destroyed.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/archive.hpp"
#include "sheaf/engine/archive_events.hpp"
#include "sheaf/engine/core.hpp"
#include "sheaf/engine/environment.hpp"
#include "sheaf/engine/error.hpp"
#include "sheaf/net/address.hpp"
#include "sheaf/net/byte_stream.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/session_end.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

// Whose archives are followed without the user's word: all that are announced, within the limits, or those of
// NodeOptions::allow alone.
enum class Policy { open, allowlist };
// Whom our archives are told.
enum class Announce { all, allowed };

// What a write has survived when it is acknowledged, where a call does not say it itself.
enum class Durability { crash, power };

struct NodeOptions {
  Limits limits;
  Durability durability = Durability::crash;
  bool sparse = false;                 // fetch only what is read or downloaded, not all of every core
  std::vector<PublicKey> allow_peers;  // whom we talk to; empty: anyone
  // The bundle.
  Policy policy = Policy::open;
  std::vector<CoreKey> allow;         // archives, for Policy::allowlist
  Announce announce = Announce::all;  // allowed: only to allow_peers
  std::size_t max_archives = 100'000;
  // Bytes of blocks that a followed archive keeps here at most, in both its cores; also a followed bare core.
  // A block that would bring more is not kept, and no other is asked for before some have gone.
  ByteCount quota_archive{std::uint64_t{64} << 30};
  // Over WebSocket: names of ours besides numbers, localhost and the one listened on, without port; and web
  // pages that may reach us, as scheme://host[:port].
  std::vector<std::string> web_hosts;
  std::vector<std::string> web_origins;
};

struct FollowOptions {
  std::optional<EncryptionKey> encryption_key;
  bool is_private = false;  // never announced to others
};

// How the archive that a folder writes is made.
struct OwnArchiveOptions {
  // Seals every block of it, and is kept in the store: peers without this key carry the archive and cannot
  // read it. nothing: a readable one.
  std::optional<EncryptionKey> encryption_key;
};

// How one connection ended. `complete`: when it ended, everything the peer had announced of the cores we
// follow was stored here, and nothing it had asked for was unanswered.
struct SessionSummary {
  SessionEnd reason = SessionEnd::local_ended;
  std::optional<PublicKey> remote_key;
  bool complete = false;
  bool of_bundle = false;       // the peer proved that it knows the bundle
  bool missing = false;         // blocks of what we follow are still not here
  bool remote_missing = false;  // the peer still misses something that we have not either
  // Archives of ours that the peer does not follow, by its reason.
  std::map<std::string, std::uint64_t> refused{};
  // Why the peer turned us away, if it did, in its words: of any length up to 256 bytes, and for a person.
  std::string turned_away{};
  std::uint64_t blocks_received = 0;
  std::uint64_t blocks_sent = 0;
  std::uint64_t bytes_received = 0;  // on the wire
  std::uint64_t bytes_sent = 0;
};

enum class Until {
  complete,  // one connection, closed by us once it is complete
  ended,     // one connection, until either side closes it
  closed,    // redial with back-off until the node closes or the call is cancelled
};

struct NodeEvent {
  enum class Kind { session_started, session_ended, core_frozen, quota_reached, store_stopped, gap };
  Kind kind;
  std::string remote;  // the stream's name, e.g. tcp://127.0.0.1:4900
  std::optional<PublicKey> remote_key;
  std::optional<CoreKey> core;  // of quota_reached: the archive's db core
  SessionSummary summary;       // of session_ended
  // Of store_stopped: why the store takes nothing, so that nothing is fetched. It is tried again by itself.
  Error error{};
};

class Bee;
class OpenArchive;
class OpenBee;
class OpenCore;

class Node {
 public:
  // Opens the folder (made with mode 0700 where there is none, with `create`), takes its lock, and reads its
  // identity and list of cores; no core is opened. Fails with StorageErrc::not_found (no store and not
  // `create`), locked, damaged, newer_format.
  static boost::asio::awaitable<Result<std::unique_ptr<Node>>> open(std::filesystem::path folder, bool create,
                                                                    Environment environment,
                                                                    NodeOptions options = {});
  // The same over a backend of the caller's, for embedders and simulations. The backend is open and
  // outlives the node.
  static boost::asio::awaitable<Result<std::unique_ptr<Node>>> open(Backend& root, Environment environment,
                                                                    NodeOptions options = {});
  ~Node();

  // The public key by which peers know this node.
  PublicKey identity() const;

  // A writable core of that name; the one there is, if the name is taken by an own core.
  boost::asio::awaitable<Result<Core>> create_core(std::string name);
  // Follows a core that somebody else writes (or any core whose key is known). Following again changes the
  // options and is no error.
  boost::asio::awaitable<Result<Core>> follow(CoreKey key, FollowOptions options = {});
  // A core that is created or followed here already, by key or name; not_found otherwise.
  boost::asio::awaitable<Result<Core>> core(CoreKey key);
  boost::asio::awaitable<Result<Core>> core(std::string name);

  // The Hyperbee on a core that core() gives (sheaf/engine/bee.hpp), whether or not anything is on it yet;
  // not_found otherwise. That of an archive's db core can be read, and is written through the archive.
  boost::asio::awaitable<Result<Bee>> bee(CoreKey key);

  // The archive that this folder writes; it is made if it is not there yet. Its keys come from the folder's
  // primary key, which is made with it. `exists` where an encryption key is given and the archive that is
  // there was made with another, or with none.
  boost::asio::awaitable<Result<Archive>> init_archive(OwnArchiveOptions options = {});
  // Its key; nothing where it was not made yet.
  boost::asio::awaitable<Result<std::optional<CoreKey>>> own_archive();
  // The secrets of this folder that nothing else holds, as text (docs/archives.md): for a backup or a move.
  boost::asio::awaitable<Result<Buffer>> export_keys();
  // Takes such a text into a folder that writes nothing under other keys (`exists`): this node then is that
  // peer. What others know of the written cores comes back from them; until then the first write begins a
  // fork of its own. malformed for other texts.
  boost::asio::awaitable<Result<void>> import_keys(Buffer text);
  // Follows an archive by the key of its db core; its blobs core is followed as soon as the archive's header
  // is here. Following again changes the options and is no error; `exists` for a key that is followed as a
  // bare core.
  boost::asio::awaitable<Result<Archive>> follow_archive(CoreKey key, FollowOptions options = {});
  // One that is followed here already; not_found otherwise.
  boost::asio::awaitable<Result<Archive>> archive(CoreKey key);
  // The keys of all of them, in order.
  boost::asio::awaitable<Result<std::vector<CoreKey>>> archives();
  // What happens to any of them from here on.
  boost::asio::awaitable<Result<ArchiveEvents>> watch_archives();

  // Stops following and deletes its data; of an archive both cores', of which the blobs core cannot be
  // forgotten alone (refused). An own core is forgotten only with `own_too`; the own archive's primary key
  // goes with it, and the next one has another key.
  boost::asio::awaitable<Result<void>> forget(CoreKey key, bool own_too = false);
  boost::asio::awaitable<Result<std::vector<CoreInfo>>> cores();

  // Accepts peers there until the node closes; gives the address with the port that was taken.
  boost::asio::awaitable<Result<Address>> listen(Address address);
  // Takes back a listen(), by the address that it gave; the sessions that came from it go on. not_found when
  // nobody listens there.
  boost::asio::awaitable<Result<void>> stop_listening(Address address);

  // Dials and replicates everything that this node holds. Fails with no_peer or refused when no session
  // came about (with Until::closed it never fails but ends when the node closes).
  boost::asio::awaitable<Result<SessionSummary>> connect(Address address, Until until);

  // Replicates over a stream of the caller's, which the node takes over; initiator on exactly one side.
  boost::asio::awaitable<Result<SessionSummary>> replicate(std::unique_ptr<ByteStream> stream, bool initiator,
                                                           Until until);

  // Ends the sessions with the remote of that name (NodeEvent::remote), or all; not_found where there is none
  // of that name. A link that dials until it is closed dials again.
  boost::asio::awaitable<Result<void>> end_sessions(std::optional<std::string> remote = std::nullopt);

  // Sessions and cores as they come and go; at most a thousand wait, then one `gap`.
  boost::asio::awaitable<Result<NodeEvent>> next_event();

  // Makes everything acknowledged so far safe against power loss.
  boost::asio::awaitable<Result<void>> sync();

  // Ends every session, joins everything that runs, syncs and closes the store. Idempotent.
  boost::asio::awaitable<void> close();

  struct Impl;  // of this library alone

 private:
  explicit Node(std::unique_ptr<Impl> impl);
  boost::asio::awaitable<Result<Core>> handle(boost::asio::awaitable<Result<OpenCore*>> opening);
  boost::asio::awaitable<Result<Archive>> handle(
      boost::asio::awaitable<Result<std::shared_ptr<OpenArchive>>> opening);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sheaf
