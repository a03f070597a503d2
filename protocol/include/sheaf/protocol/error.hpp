// What can go wrong, said so that the caller knows whose fault it was.
//
// Result<T> carries an error_code of one of our categories (or of the system's). Expected outcomes are
// results; misuse throws; a broken invariant ends the process.
#pragma once

#include <cstdint>

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace sheaf {

using Error = boost::system::error_code;
template <class T>
using Result = boost::system::result<T>;

// Bytes from outside that do not say what they should, and proofs that do not hold.
enum class ProtocolErrc {
  malformed = 1,      // the peer's: does not decode, or a number is out of its range
  invalid_proof,      // the peer's: a hash, a node or an index does not fit the signed tree
  invalid_signature,  // the peer's or the writer's: not signed by whom the manifest names
  invalid_manifest,   // the peer's: does not hash to the key, or breaks a rule
  missing_node,       // nobody's: a verified tree node that the step needs is not here
  wrong_fork,         // nobody's: of another history than the one at hand
  handshake_failed,   // the peer's or the road's: Noise did not hold
  decrypt_failed,     // the road's: a frame was altered, dropped or repeated
  refused,            // the peer's wish cannot be granted: "invalid request"
  malformed_proof,    // the peer's: more nodes or a larger manifest than any proof has
};

const boost::system::error_category& protocol_category() noexcept;
inline Error make_error_code(ProtocolErrc e) noexcept { return {static_cast<int>(e), protocol_category()}; }

}  // namespace sheaf

template <>
struct boost::system::is_error_code_enum<sheaf::ProtocolErrc> : std::true_type {};
