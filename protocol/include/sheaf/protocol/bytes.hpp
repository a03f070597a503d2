// Bytes as they are passed about: views in, owned buffers out.
//
// A view is never kept past the call that receives it, unless the callee's header says so. `char` and
// `unsigned char` appear only at the edges where a foreign library asks for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sheaf {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;
using Buffer = std::vector<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(Buffer& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

inline Buffer to_buffer(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// The two spell the same bytes. Not for secrets: the time it takes tells where they differ.
inline bool equal(Bytes a, Bytes b) { return as_text(a) == as_text(b); }

}  // namespace sheaf
