// Proofs and requests as they come off the wire and out of the vectors.
#pragma once

#include "protocol/messages.hpp"
#include "tests/support/vectors.hpp"

namespace sheaf::test {

// A proof as it looks after the wire; its views lie in `wire`.
inline Proof over_the_wire(const Proof& proof, Buffer& wire) {
  wire.clear();
  Writer out(wire);
  encode(out, Data{1, {}, proof, {}});
  auto data = decode_data(wire, {});
  REQUIRE(data.has_value());
  return std::move(data->proof);
}

inline ProofRequest request_of(const nlohmann::json& json) {
  ProofRequest out;
  if (json.contains("block")) out.block = {{json["block"]["index"]}, json["block"]["nodes"]};
  if (json.contains("hash")) out.hash = {{json["hash"]["index"]}, json["hash"]["nodes"]};
  if (json.contains("seek")) out.seek = {{json["seek"]["bytes"]}, {json["seek"]["padding"]}};
  if (json.contains("upgrade")) out.upgrade = {{json["upgrade"]["start"]}, {json["upgrade"]["length"]}};
  return out;
}

}  // namespace sheaf::test
