#include "engine/peer_node/command.hpp"

namespace sheaf::peer_node {
namespace {

struct Traits {
  CommandTraits operator()(const InitCommand&) const { return {.makes_store = true}; }
  CommandTraits operator()(const KeyExportCommand&) const { return {}; }
  CommandTraits operator()(const WriteCommand&) const { return {.makes_store = true}; }
  CommandTraits operator()(const AppendCommand&) const { return {.makes_store = true}; }
  CommandTraits operator()(const RemoveCommand&) const { return {}; }
  CommandTraits operator()(const TruncateCommand&) const { return {}; }
  CommandTraits operator()(const InfoCommand&) const { return {}; }
  CommandTraits operator()(const AddCommand&) const { return {.makes_store = true}; }
  CommandTraits operator()(const CloneCommand&) const {
    return {.makes_store = true, .replicates = true, .resumable = true};
  }
  CommandTraits operator()(const ListCommand& list) const { return {.endless = list.live}; }
  CommandTraits operator()(const ReadCommand&) const { return {}; }
  CommandTraits operator()(const GetCommand&) const { return {}; }
  CommandTraits operator()(const ExportCommand&) const { return {}; }
  CommandTraits operator()(const ImportCommand& import) const { return {.makes_store = !import.dry_run}; }
  CommandTraits operator()(const ForgetCommand&) const { return {}; }
  CommandTraits operator()(const DownloadCommand&) const { return {.replicates = true, .resumable = true}; }
  CommandTraits operator()(const ServeCommand& serve) const {
    return {
        .makes_store = true, .endless = true, .replicates = true, .resumable = true, .sparse = serve.sparse};
  }
  CommandTraits operator()(const ConnectCommand& connect) const {
    return {.makes_store = true,
            .endless = connect.live,
            .replicates = true,
            .resumable = true,
            .sparse = connect.sparse};
  }
  // What its stdin has said cannot be said again to another process.
  CommandTraits operator()(const SyncCommand& sync) const {
    return {.makes_store = true, .endless = sync.live, .replicates = true, .sparse = sync.sparse};
  }
  CommandTraits operator()(const CoreCreateCommand&) const { return {.makes_store = true}; }
  CommandTraits operator()(const CoreAppendCommand&) const { return {}; }
  CommandTraits operator()(const CoreGetCommand&) const { return {}; }
  CommandTraits operator()(const CoreInfoCommand&) const { return {}; }
  CommandTraits operator()(const CoreSeekCommand&) const { return {}; }
  CommandTraits operator()(const CoreTruncateCommand&) const { return {}; }
  CommandTraits operator()(const StorePutCommand&) const { return {.makes_store = true}; }
  CommandTraits operator()(const StorePostCommand&) const { return {.makes_store = true}; }
  CommandTraits operator()(const StoreGetCommand&) const { return {}; }
  CommandTraits operator()(const StoreDelCommand&) const { return {}; }
  CommandTraits operator()(const StoreListCommand&) const { return {}; }
  CommandTraits operator()(const StoreWatchCommand&) const { return {.endless = true}; }
  CommandTraits operator()(const StoreBatchCommand&) const { return {.makes_store = true}; }
  CommandTraits operator()(const StoreExplainCommand&) const { return {}; }
  CommandTraits operator()(const StoreCheckCommand& check) const {
    return {.rebuilds_root = check.rebuild_root};
  }
  CommandTraits operator()(const BenchCommand&) const { return {}; }
};

}  // namespace

CommandTraits traits_of(const Action& action) { return std::visit(Traits{}, action); }

}  // namespace sheaf::peer_node
