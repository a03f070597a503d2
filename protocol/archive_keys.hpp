// The keys of an archive's two cores.
//
// Format: docs/archives.md (corestore 7.12, hyperdrive 13.3); vectors drive/corestore-keys.json,
// drive/blobs-keys.json.
#pragma once

#include <optional>
#include <string_view>

#include "protocol/bee_codec.hpp"
#include "protocol/manifest.hpp"
#include "protocol/signables.hpp"

namespace sheaf {

// The manifest of the blobs core: the db core's signers, each in a namespace of its own. Nothing for a db
// core of manifest version 0, whose header has to name the blobs core.
std::optional<Manifest> blobs_manifest(const Manifest& db, const CoreKey& db_key);

// The blobs core of a db core: the one that its header names, else the one its manifest gives. malformed
// where neither does. No header: it is encrypted, and its key is not ours.
Result<CoreKey> blobs_key(const std::optional<BeeHeader>& header, const Manifest& db, const CoreKey& db_key);

// The name of the db core of a drive in its namespace, and that namespace for a folder's only drive.
inline constexpr std::string_view db_core_name = "db";
inline constexpr Hash root_namespace{};
// Who signs both cores of that drive.
KeyPair own_archive_signer(const Seed& primary_key);

}  // namespace sheaf
