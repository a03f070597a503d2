#include "protocol/archive_keys.hpp"

namespace sheaf {

std::optional<Manifest> blobs_manifest(const Manifest& db, const CoreKey& db_key) {
  if (db.version == 0 || is_compat(db, db_key)) return std::nullopt;
  Manifest out;
  out.version = db.version;
  out.allow_patch = db.allow_patch;
  out.quorum = db.quorum;
  for (const Signer& signer : db.signers)
    out.signers.push_back({blobs_signer_context(db_key, signer.context), signer.public_key});
  return out;
}

Result<CoreKey> blobs_key(const std::optional<BeeHeader>& header, const Manifest& db, const CoreKey& db_key) {
  if (header && header->metadata && header->metadata->content_feed) {
    const Buffer& feed = *header->metadata->content_feed;
    if (feed.size() < CoreKey::size) return ProtocolErrc::malformed;
    return CoreKey::from(Bytes(feed).first(CoreKey::size));
  }
  const auto manifest = blobs_manifest(db, db_key);
  if (!manifest) return ProtocolErrc::malformed;
  return core_key(*manifest);
}

KeyPair own_archive_signer(const Seed& primary_key) {
  return crypto::key_pair(core_seed(PrimaryKey::from(primary_key.bytes()), root_namespace, db_core_name));
}

}  // namespace sheaf
