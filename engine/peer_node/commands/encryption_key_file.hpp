// --encryption-key-file: the 32 bytes as they are, or a key's text with or without a newline.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// Reads it into `key`; "-" is stdin. An outcome other than done says what is wrong with the file.
boost::asio::awaitable<Outcome> read_encryption_key(const std::string& name, Io& io,
                                                    std::optional<EncryptionKey>& key);

}  // namespace sheaf::peer_node
