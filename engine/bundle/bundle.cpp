#include "sheaf/engine/bundle.hpp"

namespace sheaf {

using boost::asio::awaitable;

struct Bundle::Impl {
  std::unique_ptr<Node> opened;  // by this bundle
  Node* node = nullptr;
};

namespace {

awaitable<Result<void>> init_or_close(Node& node) {
  auto own = co_await node.init_archive();
  if (own) co_return Result<void>();
  co_await node.close();
  co_return own.error();
}

}  // namespace

awaitable<Result<std::unique_ptr<Bundle>>> Bundle::open(std::filesystem::path folder, bool create,
                                                        Environment environment, NodeOptions options) {
  auto node = co_await Node::open(std::move(folder), create, environment, std::move(options));
  if (!node) co_return node.error();
  if (auto made = co_await init_or_close(**node); !made) co_return made.error();
  auto impl = std::make_unique<Impl>();
  impl->node = node->get();
  impl->opened = std::move(*node);
  co_return std::unique_ptr<Bundle>(new Bundle(std::move(impl)));
}

awaitable<Result<std::unique_ptr<Bundle>>> Bundle::open(Backend& root, Environment environment,
                                                        NodeOptions options) {
  auto node = co_await Node::open(root, environment, std::move(options));
  if (!node) co_return node.error();
  if (auto made = co_await init_or_close(**node); !made) co_return made.error();
  auto impl = std::make_unique<Impl>();
  impl->node = node->get();
  impl->opened = std::move(*node);
  co_return std::unique_ptr<Bundle>(new Bundle(std::move(impl)));
}

Bundle::Bundle(Node& node) : impl_(std::make_unique<Impl>()) { impl_->node = &node; }
Bundle::Bundle(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Bundle::Bundle(Bundle&&) noexcept = default;
Bundle& Bundle::operator=(Bundle&&) noexcept = default;
Bundle::~Bundle() = default;

Node& Bundle::node() { return *impl_->node; }

awaitable<Result<Archive>> Bundle::own() { co_return co_await node().init_archive(); }

awaitable<Result<CoreKey>> Bundle::key() {
  auto archive = co_await own();
  if (!archive) co_return archive.error();
  co_return archive->key();
}

awaitable<Result<std::vector<ArchiveInfo>>> Bundle::archives() {
  const auto keys = co_await node().archives();
  if (!keys) co_return keys.error();
  std::vector<ArchiveInfo> out;
  for (const CoreKey& key : *keys) {
    auto archive = co_await node().archive(key);
    if (!archive) co_return archive.error();
    auto info = co_await archive->info();
    if (!info) co_return info.error();
    out.push_back(std::move(*info));
  }
  co_return out;
}

awaitable<Result<Archive>> Bundle::archive(CoreKey link) { co_return co_await node().archive(link); }

awaitable<Result<Archive>> Bundle::add(CoreKey link, FollowOptions options) {
  co_return co_await node().follow_archive(link, std::move(options));
}

awaitable<Result<void>> Bundle::forget(CoreKey link, bool own_too) {
  co_return co_await node().forget(link, own_too);
}

awaitable<Result<BundleList>> Bundle::list(BundleListOptions options) {
  const auto keys = co_await node().archives();
  if (!keys) co_return keys.error();
  std::vector<Archive> all;
  for (const CoreKey& key : *keys) {
    auto archive = co_await node().archive(key);
    if (!archive) co_return archive.error();
    all.push_back(std::move(*archive));
  }
  co_return co_await BundleList::open(node(), std::move(all), std::move(options), false);
}

awaitable<Result<BundleList>> Bundle::list() { return list(BundleListOptions()); }

awaitable<Result<std::optional<Entry>>> Bundle::get(std::string name, CoreKey link, Core::From from) {
  auto archive = co_await node().archive(link);
  if (!archive) co_return archive.error();
  co_return co_await archive->entry(std::move(name), from);
}

awaitable<Result<FileReader>> Bundle::read(std::string name, CoreKey link, ReadOptions options) {
  auto archive = co_await node().archive(link);
  if (!archive) co_return archive.error();
  co_return co_await archive->read(std::move(name), options);
}

awaitable<Result<void>> Bundle::download(std::string name, CoreKey link) {
  auto archive = co_await node().archive(link);
  if (!archive) co_return archive.error();
  co_return co_await archive->download(std::move(name));
}

awaitable<Result<FileWriter>> Bundle::write(std::string name, EntryTraits traits) {
  auto archive = co_await own();
  if (!archive) co_return archive.error();
  co_return co_await archive->write(std::move(name), std::move(traits));
}

awaitable<Result<Version>> Bundle::append(std::string name, std::string linkname, EntryTraits traits,
                                          Core::Safety safety) {
  auto archive = co_await own();
  if (!archive) co_return archive.error();
  if (linkname.empty()) co_return co_await archive->put_entry(std::move(name), std::move(traits), safety);
  co_return co_await archive->symlink(std::move(name), std::move(linkname), std::move(traits), safety);
}

awaitable<Result<SessionSummary>> Bundle::replicate(std::unique_ptr<ByteStream> stream, bool initiator,
                                                    Until until) {
  co_return co_await node().replicate(std::move(stream), initiator, until);
}

awaitable<Result<void>> Bundle::unreplicate(std::optional<std::string> remote) {
  co_return co_await node().end_sessions(std::move(remote));
}

awaitable<Result<ArchiveEvents>> Bundle::watch() { co_return co_await node().watch_archives(); }

awaitable<void> Bundle::close() {
  if (impl_->opened) co_await impl_->opened->close();
}

}  // namespace sheaf
