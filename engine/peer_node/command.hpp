// One call of `sheaf`, understood: what to do, and how to say what came of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sheaf/net/address.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf::peer_node {

struct GlobalOptions {
  std::filesystem::path folder;                 // absolute
  std::optional<std::filesystem::path> config;  // absolute; nothing: sheaf.toml in the folder, if it is there
  bool json = false;
  std::optional<std::chrono::nanoseconds> timeout = std::chrono::seconds(30);  // nothing: wait for ever
  int verbosity = 0;  // -1: quiet; 1 and 2: more log lines

  bool operator==(const GlobalOptions&) const = default;
};

// A core as its user names it: a key, or a name given when it was created here.
using CoreRef = std::variant<CoreKey, std::string>;

struct InfoCommand {
  bool operator==(const InfoCommand&) const = default;
};
struct AddCommand {
  CoreKey key;
  bool core = false;                               // a bare core's key; else an archive's
  std::optional<std::string> encryption_key_file;  // "-": stdin
  bool is_private = false;
  bool operator==(const AddCommand&) const = default;
};
// add, and fetch everything of that archive from that peer.
struct CloneCommand {
  AddCommand add;
  Address peer;
  bool operator==(const CloneCommand&) const = default;
};
// Which archives, and in which state.
struct Selection {
  std::string link;                // hex digits that its key begins with; empty: every archive
  std::optional<Length> checkout;  // a version; nothing: the latest
  bool operator==(const Selection&) const = default;
};
struct ListCommand {
  std::string prefix = "/";
  Selection selection;
  bool live = false;
  bool operator==(const ListCommand&) const = default;
};
struct ReadCommand {
  std::string entry;
  Selection selection;
  ByteCount offset{};
  std::optional<ByteCount> length;
  std::optional<Address> peer;
  std::string output{};  // a file's name; empty or "-": stdout
  bool operator==(const ReadCommand&) const = default;
};
struct GetCommand {
  std::string entry;
  Selection selection;
  bool operator==(const GetCommand&) const = default;
};
// The entries of archives into a folder of the disk.
struct ExportCommand {
  std::string destination;  // as its user wrote it
  Selection selection;
  bool by_link = false;
  bool prune = false;
  bool dry_run = false;
  bool checksum = false;
  std::optional<ByteCount> most_bytes;
  bool unsafe_links = false;
  bool operator==(const ExportCommand&) const = default;
};
// Makes the archive that the folder writes, or takes in the secret keys of another folder.
struct InitCommand {
  std::optional<std::string> from;                 // a file, "-": stdin
  std::optional<std::string> encryption_key_file;  // of an archive that is made now; "-": stdin
  bool operator==(const InitCommand&) const = default;
};
// stdin becomes a file.
struct WriteCommand {
  std::string name;  // normal
  bool executable = false;
  std::string metadata = "null";  // JSON
  bool operator==(const WriteCommand&) const = default;
};
// One entry without contents.
struct AppendCommand {
  std::string name;      // normal
  std::string linkname;  // empty: metadata alone
  bool executable = false;
  std::string metadata = "null";  // JSON
  bool operator==(const AppendCommand&) const = default;
};
struct KeyExportCommand {
  std::string file;  // "-": stdout
  bool operator==(const KeyExportCommand&) const = default;
};
struct RemoveCommand {
  std::string entry;
  bool operator==(const RemoveCommand&) const = default;
};
struct TruncateCommand {
  Length version;
  bool operator==(const TruncateCommand&) const = default;
};
// Files of the disk into the archive that this folder writes.
struct ImportCommand {
  std::vector<std::string> paths;  // as their user wrote them
  std::string to = "/";
  std::vector<std::string> exclude;  // patterns
  bool prune = false;
  bool dry_run = false;
  bool checksum = false;
  bool no_times = false;
  bool operator==(const ImportCommand&) const = default;
};
struct ForgetCommand {
  CoreRef core;
  bool yes = false;  // an own core too, without asking
  bool operator==(const ForgetCommand&) const = default;
};
struct DownloadCommand {
  std::string what;  // an entry, a key, or a core's name; empty: all that is followed
  std::optional<Address> peer;
  bool operator==(const DownloadCommand&) const = default;
};
struct ServeCommand {
  std::vector<Address> listen;  // empty: what the config says
  std::vector<Address> peers;
  bool sparse = false;
  bool operator==(const ServeCommand&) const = default;
};
struct ConnectCommand {
  std::vector<Address> peers;
  bool live = false;
  bool sparse = false;
  bool operator==(const ConnectCommand&) const = default;
};
// Over stdin and stdout.
struct SyncCommand {
  std::optional<bool> initiator;  // nothing: the two sides agree
  bool live = false;
  bool sparse = false;
  bool operator==(const SyncCommand&) const = default;
};
struct CoreCreateCommand {
  std::string name;
  bool operator==(const CoreCreateCommand&) const = default;
};
struct CoreAppendCommand {
  CoreRef core;
  bool lines = false;
  bool operator==(const CoreAppendCommand&) const = default;
};
struct CoreGetCommand {
  CoreRef core;
  BlockIndex index;
  std::optional<Address> peer;
  bool operator==(const CoreGetCommand&) const = default;
};
struct CoreInfoCommand {
  CoreRef core;
  bool operator==(const CoreInfoCommand&) const = default;
};
// The block that holds a byte, counted from the start of the core.
struct CoreSeekCommand {
  CoreRef core;
  ByteCount bytes;
  std::optional<Address> peer;
  bool operator==(const CoreSeekCommand&) const = default;
};

struct CoreTruncateCommand {
  CoreRef core;
  Length length;
  bool operator==(const CoreTruncateCommand&) const = default;
};

// The value store of the folder. Keys are an application's own: 1 to 1,024 bytes, whatever they are.
struct StorePutCommand {
  std::string key;  // stdin is the value
  bool operator==(const StorePutCommand&) const = default;
};
struct StorePostCommand {
  bool operator==(const StorePostCommand&) const = default;
};
struct StoreGetCommand {
  std::string key;
  bool all = false;
  bool operator==(const StoreGetCommand&) const = default;
};
struct StoreDelCommand {
  std::string key;
  bool operator==(const StoreDelCommand&) const = default;
};
struct StoreListCommand {
  std::string gt, gte, lt, lte;  // empty: no bound
  bool reverse = false;
  std::optional<std::uint64_t> limit;
  bool values = false;
  bool operator==(const StoreListCommand&) const = default;
};
struct StoreWatchCommand {
  bool values = false;
  bool operator==(const StoreWatchCommand&) const = default;
};
struct StoreBatchCommand {
  bool operator==(const StoreBatchCommand&) const = default;
};
struct StoreExplainCommand {
  bool operator==(const StoreExplainCommand&) const = default;
};
struct StoreCheckCommand {
  bool repair = false;
  bool rebalance = false;
  bool rebuild_root = false;
  bool operator==(const StoreCheckCommand&) const = default;
};

// The verbs of the measuring contract, one process a side.
struct BenchServeCore {
  std::filesystem::path folder;
  std::uint64_t blocks = 0;
  std::uint64_t block_bytes = 0;
  std::uint16_t port = 0;
  bool operator==(const BenchServeCore&) const = default;
};
struct BenchFetchCore {
  std::filesystem::path folder;
  CoreKey key;
  std::uint16_t port = 0;
  std::uint64_t blocks = 0;  // 0: as many as the other side has
  bool operator==(const BenchFetchCore&) const = default;
};
struct BenchFetchSparse {
  std::filesystem::path folder;
  CoreKey key;
  std::uint16_t port = 0;
  std::uint64_t blocks = 0;
  std::uint64_t gets = 0;
  bool operator==(const BenchFetchSparse&) const = default;
};
struct BenchServeLive {
  std::filesystem::path folder;
  std::uint64_t samples = 0;
  std::uint64_t interval_ms = 0;
  std::uint16_t port = 0;
  bool operator==(const BenchServeLive&) const = default;
};
struct BenchFetchLive {
  std::filesystem::path folder;
  CoreKey key;
  std::uint64_t samples = 0;
  std::uint16_t port = 0;
  bool operator==(const BenchFetchLive&) const = default;
};
struct BenchLocalAppend {
  std::filesystem::path folder;
  std::uint64_t blocks = 0;
  std::uint64_t block_bytes = 0;
  std::uint64_t batch = 1;
  bool operator==(const BenchLocalAppend&) const = default;
};
struct BenchServeDrive {
  std::filesystem::path folder;
  std::filesystem::path source;  // what is imported where the archive is new
  std::uint16_t port = 0;
  bool operator==(const BenchServeDrive&) const = default;
};
struct BenchFetchDrive {
  std::filesystem::path folder;
  CoreKey key;
  std::filesystem::path destination;
  std::uint16_t port = 0;
  bool operator==(const BenchFetchDrive&) const = default;
};
struct BenchLocalDrive {
  std::filesystem::path folder;
  std::uint64_t files = 0;
  bool operator==(const BenchLocalDrive&) const = default;
};
struct BenchServeMany {
  std::filesystem::path folder;
  std::uint64_t cores = 0;
  std::uint64_t blocks = 0;  // of each
  std::uint64_t block_bytes = 0;
  std::uint16_t port = 0;
  bool operator==(const BenchServeMany&) const = default;
};
struct BenchFetchMany {
  std::filesystem::path folder;
  std::filesystem::path keys;  // a file with one key a line
  std::uint64_t blocks = 0;
  std::uint16_t port = 0;
  bool operator==(const BenchFetchMany&) const = default;
};
struct BenchFetchIdle {
  std::filesystem::path folder;
  CoreKey key;
  std::uint64_t connections = 0;
  std::uint16_t port = 0;
  bool operator==(const BenchFetchIdle&) const = default;
};
struct BenchLocalBee {
  std::filesystem::path folder;
  std::uint64_t keys = 0;
  std::uint64_t batch = 1;
  bool operator==(const BenchLocalBee&) const = default;
};
struct BenchReplicate {
  enum class Transport { tcp, ws, memory };
  enum class Store { disk, memory };
  std::uint64_t blocks = 0;
  std::uint64_t block_bytes = 0;
  Transport transport = Transport::tcp;
  Store store = Store::disk;
  bool live = false;
  std::uint64_t interval_ms = 5;  // between the blocks of --live
  bool operator==(const BenchReplicate&) const = default;
};
// The router beside single engines.
struct BenchStore {
  std::vector<std::uint64_t> value_bytes;  // one table each
  std::uint64_t values = 0;                // 0: as many as the size suggests
  std::uint64_t rounds = 5;
  bool operator==(const BenchStore&) const = default;
};
using BenchVerb =
    std::variant<BenchServeCore, BenchFetchCore, BenchFetchSparse, BenchServeLive, BenchFetchLive,
                 BenchLocalAppend, BenchServeDrive, BenchFetchDrive, BenchLocalDrive, BenchServeMany,
                 BenchFetchMany, BenchFetchIdle, BenchLocalBee, BenchReplicate, BenchStore>;
struct BenchCommand {
  BenchVerb verb;
  bool in_memory = false;  // the store of a verb: given up with the process
  bool over_web = false;   // the two sides meet over WebSocket
  bool operator==(const BenchCommand&) const = default;
};

using Action =
    std::variant<InitCommand, KeyExportCommand, WriteCommand, AppendCommand, RemoveCommand, TruncateCommand,
                 InfoCommand, AddCommand, CloneCommand, ListCommand, ReadCommand, GetCommand, ExportCommand,
                 ImportCommand, ForgetCommand, DownloadCommand, ServeCommand, ConnectCommand, SyncCommand,
                 CoreCreateCommand, CoreAppendCommand, CoreGetCommand, CoreInfoCommand, CoreSeekCommand,
                 CoreTruncateCommand, StorePutCommand, StorePostCommand, StoreGetCommand, StoreDelCommand,
                 StoreListCommand, StoreWatchCommand, StoreBatchCommand, StoreExplainCommand,
                 StoreCheckCommand, BenchCommand>;

struct Command {
  GlobalOptions global;
  Action action;
  bool operator==(const Command&) const = default;
};

// What the process around a command needs to know of it.
struct CommandTraits {
  bool makes_store = false;  // a folder without a store gets one
  bool endless = false;      // ends by a signal, and then with 0
  bool replicates = false;  // sessions are its whole work: it lasts, and a short command does not wait for it
  bool resumable = false;   // it can be begun again by another process at any moment
  bool sparse = true;       // fetches only what it asks for
  bool rebuilds_root = false;  // the folder's root may be lost, and is made again from its stores
};
CommandTraits traits_of(const Action& action);

}  // namespace sheaf::peer_node
