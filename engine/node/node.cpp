// The public faces Node, Core and CoreEvents: each call hops onto the node's strand, does its part there, and
// returns to the executor it was awaited on.
#include <filesystem>

#include "engine/node/hop.hpp"
#include "engine/node/node_impl.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/error.hpp"
#include "sheaf/storage/folder_store.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;
namespace fs = std::filesystem;

std::vector<Buffer> owned(std::span<const Bytes> blocks) {
  std::vector<Buffer> out;
  out.reserve(blocks.size());
  for (const Bytes block : blocks) out.push_back(to_buffer(block));
  return out;
}

}  // namespace

// -- Node.

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Node::~Node() { invariant(!impl_ || impl_->closed, "a node is closed before it is destroyed"); }

awaitable<Result<std::unique_ptr<Node>>> Node::open(fs::path folder, bool create, Environment environment,
                                                    NodeOptions options) {
  std::string trouble;
  auto open_store = [&] { return open_folder_store(folder, create, {}, nullptr, trouble); };
  auto opened = co_await offload(*environment.pool, open_store);
  if (!opened) co_return opened.error();
  Backend& root = **opened;
  auto impl = std::make_unique<Impl>(environment, std::move(options), root, std::move(*opened));
  auto started = co_await hop(impl->strand, impl->start());
  std::unique_ptr<Node> node(new Node(std::move(impl)));
  if (!started) {
    co_await node->close();
    co_return started.error();
  }
  co_return node;
}

awaitable<Result<std::unique_ptr<Node>>> Node::open(Backend& root, Environment environment,
                                                    NodeOptions options) {
  auto impl = std::make_unique<Impl>(environment, std::move(options), root, nullptr);
  auto started = co_await hop(impl->strand, impl->start());
  std::unique_ptr<Node> node(new Node(std::move(impl)));
  if (!started) {
    co_await node->close();
    co_return started.error();
  }
  co_return node;
}

PublicKey Node::identity() const { return impl_->identity.public_key; }

namespace {

struct CoreNames {
  DiscoveryKey discovery_key;
  CoreKey key;
};

awaitable<Result<CoreNames>> names_of(awaitable<Result<OpenCore*>> opening) {
  auto core = co_await std::move(opening);
  if (!core) co_return core.error() == StorageErrc::not_found ? Error(EngineErrc::not_found) : core.error();
  co_return CoreNames{(*core)->record().discovery_key, (*core)->local().key};
}

awaitable<Result<OpenCore*>> open_named(CoreRegistry& cores, std::string name) {
  auto key = co_await cores.named(std::move(name));
  if (!key) co_return key.error();
  if (!*key) co_return EngineErrc::not_found;
  co_return co_await cores.open(**key);
}

}  // namespace

awaitable<Result<Core>> Node::handle(awaitable<Result<OpenCore*>> opening) {
  auto names = co_await hop(impl_->strand, names_of(std::move(opening)));
  if (!names) co_return names.error();
  co_return Core(std::make_unique<Core::Impl>(Core::Impl{impl_.get(), names->discovery_key, names->key}));
}

awaitable<Result<Core>> Node::create_core(std::string name) {
  co_return co_await handle(impl_->create_core(std::move(name)));
}

awaitable<Result<Core>> Node::follow(CoreKey key, FollowOptions options) {
  co_return co_await handle(impl_->follow(key, std::move(options)));
}

awaitable<Result<Core>> Node::core(CoreKey key) {
  co_return co_await handle(impl_->cores.open(discovery_key(key)));
}

awaitable<Result<Core>> Node::core(std::string name) {
  co_return co_await handle(open_named(impl_->cores, std::move(name)));
}

awaitable<Result<void>> Node::forget(CoreKey key, bool own_too) {
  co_return co_await hop(impl_->strand, impl_->forget(key, own_too));
}

awaitable<Result<std::vector<CoreInfo>>> Node::cores() {
  co_return co_await hop(impl_->strand, impl_->list_cores());
}

awaitable<Result<Address>> Node::listen(Address address) {
  co_return co_await hop(impl_->strand, impl_->listen(std::move(address)));
}

awaitable<Result<void>> Node::stop_listening(Address address) {
  co_return co_await hop(impl_->strand, impl_->stop_listening(std::move(address)));
}

awaitable<Result<SessionSummary>> Node::connect(Address address, Until until) {
  co_return co_await hop(impl_->strand, impl_->connect(std::move(address), until));
}

awaitable<Result<SessionSummary>> Node::replicate(std::unique_ptr<ByteStream> stream, bool initiator,
                                                  Until until) {
  co_return co_await hop(impl_->strand, impl_->replicate(std::move(stream), initiator, until));
}

awaitable<Result<void>> Node::end_sessions(std::optional<std::string> remote) {
  co_return co_await hop(impl_->strand, impl_->end_sessions(std::move(remote)));
}

awaitable<Result<NodeEvent>> Node::next_event() {
  co_return co_await hop(impl_->strand, impl_->events.next());
}

awaitable<Result<void>> Node::sync() { co_return co_await hop(impl_->strand, impl_->sync()); }

awaitable<void> Node::close() { co_await hop(impl_->strand, impl_->close()); }

// -- Core.

Core::Core(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;
Core::~Core() = default;

const CoreKey& Core::key() const { return impl_->key; }

namespace {

// Opens the core if it is not, and awaits what `call` makes of it.
template <class T, class Call>
awaitable<Result<T>> with_core(Node::Impl& node, DiscoveryKey key, Call call) {
  if (node.closed) co_return EngineErrc::closed;
  auto core = co_await node.cores.open(key);
  if (!core) co_return core.error();
  co_return co_await call(**core);
}

// The cores of an archive are changed through the archive, which keeps them consistent.
template <class T, class Call>
awaitable<Result<T>> with_bare_core(Node::Impl& node, DiscoveryKey key, Call call) {
  if (node.closed) co_return EngineErrc::closed;
  auto core = co_await node.cores.open(key);
  if (!core) co_return core.error();
  if ((*core)->record().kind != CoreKind::bare) co_return EngineErrc::refused;
  co_return co_await call(**core);
}

awaitable<Result<CoreInfo>> info_of(OpenCore& core) { co_return core.info(); }
awaitable<Result<std::shared_ptr<OpenCore::Events>>> watch_of(OpenCore& core) { co_return core.watch(); }

}  // namespace

awaitable<Result<CoreInfo>> Core::info() {
  co_return co_await hop(impl_->node->strand,
                         with_core<CoreInfo>(*impl_->node, impl_->discovery_key, &info_of));
}

awaitable<Result<Length>> Core::append(std::span<const Bytes> blocks, Safety safety) {
  auto call = [blocks = owned(blocks), synced = safety == Safety::machine](OpenCore& core) mutable {
    return core.append(std::move(blocks), synced);
  };
  co_return co_await hop(impl_->node->strand,
                         with_bare_core<Length>(*impl_->node, impl_->discovery_key, std::move(call)));
}

awaitable<Result<Length>> Core::append(Bytes block, Safety safety) {
  co_return co_await append(std::span(&block, 1), safety);
}

awaitable<Result<Buffer>> Core::get(BlockIndex index, From from) {
  auto call = [index, from](OpenCore& core) { return core.get(index, from); };
  co_return co_await hop(impl_->node->strand, with_core<Buffer>(*impl_->node, impl_->discovery_key, call));
}

awaitable<Result<BytePosition>> Core::seek(ByteCount bytes, From from) {
  auto call = [bytes, from](OpenCore& core) { return core.seek(bytes, from); };
  co_return co_await hop(impl_->node->strand,
                         with_core<BytePosition>(*impl_->node, impl_->discovery_key, call));
}

awaitable<Result<void>> Core::truncate(Length length, std::optional<Fork> fork, Safety safety) {
  auto call = [length, fork, synced = safety == Safety::machine](OpenCore& core) {
    return core.truncate(length, fork, synced);
  };
  co_return co_await hop(impl_->node->strand, with_bare_core<void>(*impl_->node, impl_->discovery_key, call));
}

awaitable<Result<void>> Core::clear(BlockRange blocks) {
  auto call = [blocks](OpenCore& core) { return core.clear(blocks); };
  co_return co_await hop(impl_->node->strand, with_core<void>(*impl_->node, impl_->discovery_key, call));
}

awaitable<Result<void>> Core::download(BlockRange blocks) {
  auto call = [blocks](OpenCore& core) { return core.download(blocks); };
  co_return co_await hop(impl_->node->strand, with_core<void>(*impl_->node, impl_->discovery_key, call));
}

awaitable<Result<Length>> Core::update() {
  auto call = [](OpenCore& core) { return core.update(); };
  co_return co_await hop(impl_->node->strand, with_core<Length>(*impl_->node, impl_->discovery_key, call));
}

awaitable<Result<CoreEvents>> Core::watch() {
  using Queue = std::shared_ptr<OpenCore::Events>;
  auto queue =
      co_await hop(impl_->node->strand, with_core<Queue>(*impl_->node, impl_->discovery_key, &watch_of));
  if (!queue) co_return queue.error();
  co_return CoreEvents(std::make_unique<CoreEvents::Impl>(CoreEvents::Impl{impl_->node, std::move(*queue)}));
}

// -- CoreEvents.

CoreEvents::CoreEvents(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CoreEvents::CoreEvents(CoreEvents&&) noexcept = default;
CoreEvents& CoreEvents::operator=(CoreEvents&&) noexcept = default;
CoreEvents::~CoreEvents() = default;

awaitable<Result<CoreEvent>> CoreEvents::next() {
  co_return co_await hop(impl_->node->strand, impl_->queue->next());
}

}  // namespace sheaf
