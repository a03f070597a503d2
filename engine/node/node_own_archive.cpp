// The archive that a folder writes, and the secrets that make it the folder's own.
#include "engine/archive/archive_impl.hpp"
#include "protocol/archive_keys.hpp"
#include "sheaf/net/offload.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

constexpr std::string_view first_line = "sheaf keys 1";

void add_line(Buffer& out, std::string_view kind, Bytes secret, std::string_view name = {}) {
  append(out, as_bytes(kind));
  append(out, as_bytes(" "));
  std::string hex = to_hex(secret);
  append(out, as_bytes(hex));
  wipe(std::as_writable_bytes(std::span(hex)));
  if (!name.empty()) {
    append(out, as_bytes(" "));
    append(out, as_bytes(to_hex(as_bytes(name))));
  }
  append(out, as_bytes("\n"));
}

bool same(const std::optional<EncryptionKey>& a, const std::optional<EncryptionKey>& b) {
  return a && b ? equal(a->bytes(), b->bytes()) : !a && !b;
}

// What a text of keys says.
struct KeyText {
  Seed identity;
  std::optional<Seed> primary;
  std::optional<EncryptionKey> encryption;
  std::vector<std::pair<std::string, Seed>> cores;  // by name
};

std::optional<Seed> seed_from(std::string_view hex) {
  auto bytes = from_hex(hex);
  if (!bytes) return std::nullopt;
  std::optional<Seed> out;
  if (bytes->size() == Seed::size) out = Seed::from(*bytes);
  wipe(*bytes);
  return out;
}

std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view out = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return out;
}

Result<KeyText> parse_keys(std::string_view text) {
  if (take_until(text, '\n') != first_line) return ProtocolErrc::malformed;
  KeyText out;
  bool has_identity = false;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    const std::string_view kind = take_until(line, ' ');
    const auto seed = seed_from(take_until(line, ' '));
    if (!seed) return ProtocolErrc::malformed;
    if (kind == "core") {
      const auto name = from_hex(line);
      if (!name || name->empty()) return ProtocolErrc::malformed;
      out.cores.emplace_back(std::string(as_text(*name)), *seed);
    } else if (!line.empty()) {
      return ProtocolErrc::malformed;
    } else if (kind == "identity" && !std::exchange(has_identity, true)) {
      out.identity = *seed;
    } else if (kind == "primary" && !out.primary) {
      out.primary = *seed;
    } else if (kind == "encryption" && !out.encryption) {
      out.encryption = EncryptionKey::from(seed->bytes());
    } else {
      return ProtocolErrc::malformed;
    }
  }
  if (!has_identity || (out.encryption && !out.primary)) return ProtocolErrc::malformed;
  return out;
}

}  // namespace

awaitable<Result<OpenCore*>> Node::Impl::own_core(CoreRecord record, bool foreign) {
  record.discovery_key = discovery_key(record.key);
  record.followed = true;
  const DiscoveryKey key = record.discovery_key;
  if (cores.knows(key)) {
    auto known = co_await cores.open(key);
    if (!known || (*known)->writable()) co_return known;
    // It was followed here before its secret key came, so others may know a longer history of it.
    CoreRecord changed = (*known)->record();
    changed.secret_key = std::move(record.secret_key);
    if (record.encryption_key) changed.encryption_key = std::move(record.encryption_key);
    changed.kind = record.kind;
    changed.partner = record.partner;
    auto mark = [this, id = changed.id] { return table.mark_foreign(id); };
    if (auto marked = co_await offload(context.pool, mark); !marked) co_return marked.error();
    (*known)->set_record(std::move(changed));
    if (auto saved = co_await cores.save(**known); !saved) co_return saved.error();
    if (auto reloaded = co_await (*known)->reload(); !reloaded) co_return reloaded.error();
    co_return known;
  }
  auto made = co_await cores.adopt(std::move(record), foreign);
  if (made) offer(**made);
  co_return made;
}

awaitable<Result<CoreKey>> Node::Impl::own_cores(const Seed& primary_key,
                                                 const std::optional<EncryptionKey>& encryption_key,
                                                 bool foreign) {
  const KeyPair signer = own_archive_signer(primary_key);
  const Manifest manifest = default_manifest(signer.public_key);
  const CoreKey key = core_key(manifest);
  const bool fresh = !cores.knows(discovery_key(key));
  // The blobs core first: the db core names it, and is what makes the archive known.
  CoreRecord record;
  record.key = core_key(*blobs_manifest(manifest, key));
  record.secret_key = signer.secret_key;
  record.encryption_key = encryption_key;
  record.kind = CoreKind::archive_blobs;
  record.partner = key;
  auto blobs = co_await own_core(record, foreign);
  if (!blobs) co_return blobs.error();
  if (fresh && !same((*blobs)->record().encryption_key, encryption_key)) {
    // Left by an earlier call that was cut off before the db core, and so without a block.
    CoreRecord changed = (*blobs)->record();
    changed.encryption_key = encryption_key;
    (*blobs)->set_record(std::move(changed));
    if (auto saved = co_await cores.save(**blobs); !saved) co_return saved.error();
  }
  record.partner = std::exchange(record.key, key);
  record.kind = CoreKind::archive_db;
  auto db = co_await own_core(record, foreign);
  if (!db) co_return db.error();
  own_key = key;
  if (fresh) news.tell({.link = key, .added = true});
  co_return key;
}

awaitable<Result<std::shared_ptr<OpenArchive>>> Node::Impl::init_archive(OwnArchiveOptions options) {
  if (closed) co_return EngineErrc::closed;
  auto turn = co_await own_turn.take();
  if (!turn) co_return turn.error();
  Seed fresh;
  environment.random->fill(fresh.bytes());
  auto find_or_keep = [this, &fresh]() -> Result<Seed> {
    auto known = table.primary_key();
    if (!known) return known.error();
    if (*known) return std::move(**known);
    if (auto kept = table.set_primary_key(fresh); !kept) return kept.error();
    return fresh;
  };
  auto primary = co_await offload(context.pool, find_or_keep);
  if (!primary) co_return primary.error();
  auto key = co_await own_cores(*primary, options.encryption_key);
  if (!key) co_return key.error();
  auto open = co_await archive(*key);
  if (!open) co_return open.error();
  auto db = co_await (*open)->db();
  if (!db) co_return db.error();
  if (options.encryption_key && !same((*db)->record().encryption_key, options.encryption_key))
    co_return EngineErrc::exists;
  // Where a longer history may be elsewhere, the first write decides.
  if (!(*db)->uncertain())
    if (auto header = co_await (*open)->ensure_header(true); !header) co_return header.error();
  co_return open;
}

awaitable<Result<std::optional<CoreKey>>> Node::Impl::own_archive() {
  if (closed) co_return EngineErrc::closed;
  if (!own_key || !cores.knows(discovery_key(*own_key))) co_return std::optional<CoreKey>();
  co_return own_key;
}

awaitable<Result<Buffer>> Node::Impl::export_keys() {
  if (closed) co_return EngineErrc::closed;
  auto write = [this]() -> Result<Buffer> {
    Buffer out;
    out.reserve(64 * 1024);  // growing leaves copies of secrets behind
    append(out, as_bytes(first_line));
    append(out, as_bytes("\n"));
    auto seed = table.identity();
    if (!seed) return seed.error();
    if (*seed) add_line(out, "identity", (*seed)->bytes());
    auto primary = table.primary_key();
    if (!primary) return primary.error();
    if (*primary) add_line(out, "primary", (*primary)->bytes());
    auto walk = table.list();
    if (!walk) return walk.error();
    for (;;) {
      auto record = walk->next();
      if (!record) return record.error();
      if (!*record) return out;
      const CoreRecord& core = **record;
      if (core.key == own_key && core.encryption_key)
        add_line(out, "encryption", core.encryption_key->bytes());
      if (core.secret_key && core.kind == CoreKind::bare && !core.forgotten)
        add_line(out, "core", core.secret_key->bytes().first(Seed::size), core.name);
    }
  };
  co_return co_await offload(context.pool, write);
}

awaitable<Result<void>> Node::Impl::import_keys(Buffer text) {
  if (closed) co_return EngineErrc::closed;
  auto keys = parse_keys(as_text(text));
  wipe(text);
  if (!keys) co_return keys.error();
  auto turn = co_await own_turn.take();
  if (!turn) co_return turn.error();
  auto look = [this] { return table.primary_key(); };
  auto known = co_await offload(context.pool, look);
  if (!known) co_return known.error();
  const bool other = *known && (!keys->primary || !equal((*known)->bytes(), keys->primary->bytes()));
  if (other) co_return EngineErrc::exists;
  for (const auto& [name, seed] : keys->cores) {
    const KeyPair signer = crypto::key_pair(seed);
    CoreRecord record;
    record.key = core_key(default_manifest(signer.public_key));
    auto taken = co_await cores.named(name);
    if (!taken) co_return taken.error();
    if (*taken && **taken != discovery_key(record.key)) co_return EngineErrc::exists;
    record.name = name;
    record.secret_key = signer.secret_key;
    if (auto made = co_await own_core(record, true); !made) co_return made.error();
  }
  if (keys->primary)
    if (auto made = co_await own_cores(*keys->primary, keys->encryption, true); !made) co_return made.error();
  // Last, so that whoever was cut off can begin again.
  auto keep = [this, &keys]() -> Result<void> {
    if (keys->primary)
      if (auto kept = table.set_primary_key(*keys->primary); !kept) return kept;
    return table.set_identity(keys->identity);
  };
  if (auto kept = co_await offload(context.pool, keep); !kept) co_return kept.error();
  identity = crypto::key_pair(keys->identity);
  co_return Result<void>();
}

// -- The faces.

awaitable<Result<Archive>> Node::init_archive(OwnArchiveOptions options) {
  co_return co_await handle(impl_->init_archive(std::move(options)));
}

awaitable<Result<std::optional<CoreKey>>> Node::own_archive() {
  co_return co_await hop(impl_->strand, impl_->own_archive());
}

awaitable<Result<Buffer>> Node::export_keys() { co_return co_await hop(impl_->strand, impl_->export_keys()); }

awaitable<Result<void>> Node::import_keys(Buffer text) {
  co_return co_await hop(impl_->strand, impl_->import_keys(std::move(text)));
}

}  // namespace sheaf
