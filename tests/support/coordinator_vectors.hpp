// Elements and encodings of the recorded coordinator vectors (tests/vectors/coordinator).
#pragma once

#include <string>
#include <vector>

#include "protocol/coordinator_keys.hpp"
#include "protocol/crypto.hpp"
#include "protocol/digest_trie.hpp"
#include "tests/support/vectors.hpp"

namespace sheaf::test {

template <class Message>
Buffer body_of(const Message& message) {
  Buffer out;
  Writer writer(out);
  coordinator::encode(writer, message);
  return out;
}

struct KeyedHead {
  CoreKey key;
  Fork fork;
  Length length;
  auto operator<=>(const KeyedHead&) const = default;
};

// The n-th archive of the vectors (their elementRule).
inline KeyedHead vector_element(std::uint64_t n) {
  const Hash key = crypto::blake2b({as_bytes("archive " + std::to_string(n) + " 0")});
  return {CoreKey::from(key.bytes()), {n % 11 == 0 ? 1u : 0u}, {1 + n * 7919 % 5000}};
}

inline std::vector<KeyedHead> heads(const nlohmann::json& list) {
  std::vector<KeyedHead> out;
  for (const auto& each : list)
    out.push_back({unhex_as<CoreKey>(each["key"]),
                   {each["fork"].get<std::uint64_t>()},
                   {each["length"].get<std::uint64_t>()}});
  return out;
}

inline DigestTrie trie_of(const std::vector<KeyedHead>& elements) {
  DigestTrie out;
  for (const KeyedHead& element : elements) out.set(element.key, element.fork, element.length);
  return out;
}

}  // namespace sheaf::test
