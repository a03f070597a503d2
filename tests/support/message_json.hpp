// Replication messages as the recorded vectors spell them, both ways.
//
// Nodes are shown in full; a manifest, which a data message carries encoded, as "(manifest)".
#pragma once

#include <deque>

#include <nlohmann/json.hpp>

#include "protocol/messages.hpp"
#include "tests/support/vectors.hpp"

namespace sheaf::test {

using nlohmann::json;

inline std::string hex(Bytes bytes) { return to_hex(bytes); }

template <class Message>
Buffer encoded(const Message& message) {
  Buffer out;
  Writer writer(out);
  encode(writer, message);
  return out;
}

// --- Ours to theirs.

inline json shown(const std::vector<TreeNode>& nodes) {
  json out = json::array();
  for (const TreeNode& node : nodes)
    out.push_back({{"index", node.index.value}, {"size", node.size.value}, {"hash", to_string(node.hash)}});
  return out;
}

inline json shown(const ChannelHandshake& m) {
  return {{"seeks", m.seeks}, {"capability", to_string(m.capability)}};
}

inline json shown(const SyncMessage& m) {
  return {
      {"fork", m.fork.value},          {"length", m.length.value}, {"remoteLength", m.remote_length.value},
      {"canUpgrade", m.can_upgrade},   {"uploading", m.uploading}, {"downloading", m.downloading},
      {"hasManifest", m.has_manifest}, {"allowPush", m.allow_push}};
}

inline json shown(const Request& m) {
  json out = {{"id", m.id},      {"fork", m.fork.value}, {"block", nullptr},       {"hash", nullptr},
              {"seek", nullptr}, {"upgrade", nullptr},   {"manifest", m.manifest}, {"priority", m.priority}};
  if (const auto& p = m.proof.block) out["block"] = {{"index", p->index.value}, {"nodes", p->nodes}};
  if (const auto& p = m.proof.hash) out["hash"] = {{"index", p->index.value}, {"nodes", p->nodes}};
  if (const auto& p = m.proof.seek) out["seek"] = {{"bytes", p->bytes.value}, {"padding", p->padding.value}};
  if (const auto& p = m.proof.upgrade)
    out["upgrade"] = {{"start", p->start.value}, {"length", p->length.value}};
  return out;
}

inline json shown(const Cancel& m) { return {{"request", m.request}}; }

inline json shown(const Data& m) {
  json out = {{"request", m.request}, {"fork", m.fork.value}, {"block", nullptr},   {"hash", nullptr},
              {"seek", nullptr},      {"upgrade", nullptr},   {"manifest", nullptr}};
  if (const auto& p = m.proof.block)
    out["block"] = {{"index", p->index.value}, {"value", hex(p->value)}, {"nodes", shown(p->nodes)}};
  if (const auto& p = m.proof.hash) out["hash"] = {{"index", p->index.value}, {"nodes", shown(p->nodes)}};
  if (const auto& p = m.proof.seek) out["seek"] = {{"bytes", p->bytes.value}, {"nodes", shown(p->nodes)}};
  if (const auto& p = m.proof.upgrade)
    out["upgrade"] = {{"start", p->start.value},
                      {"length", p->length.value},
                      {"nodes", shown(p->nodes)},
                      {"additionalNodes", shown(p->additional)},
                      {"signature", p->signature.empty() ? json() : json(hex(p->signature))}};
  if (!m.manifest.empty()) out["manifest"] = "(manifest)";
  return out;
}

inline json shown(const NoData& m) {
  return {{"request", m.request}, {"reason", static_cast<std::uint64_t>(m.reason)}};
}

inline json shown(const Want& m) {
  return {{"start", m.start.value}, {"length", m.length.value}, {"any", m.any}};
}

inline json shown(const Unwant& m) { return shown(Want{m.start, m.length, m.any}); }

inline json shown(const BitfieldMessage& m) {
  json words = json::array();
  for (std::size_t i = 0; i < m.word_count(); ++i) words.push_back(m.word(i));
  return {{"start", m.start.value}, {"bitfield", words}};
}

inline json shown(const RangeMessage& m) {
  return {{"drop", m.drop}, {"start", m.start.value}, {"length", m.length.value}};
}

inline json shown(const Extension& m) { return {{"name", m.name}, {"message", hex(m.payload)}}; }

// --- Theirs to ours. What a message only views lives in `keep`.

using Keep = std::deque<Buffer>;

inline Bytes kept(Keep& keep, const json& text) { return keep.emplace_back(unhex(text)); }
inline std::uint64_t number(const json& value) { return value.get<std::uint64_t>(); }

inline std::vector<TreeNode> read_nodes(const json& nodes) {
  std::vector<TreeNode> out;
  for (const json& node : nodes)
    out.push_back({{number(node["index"])}, {number(node["size"])}, unhex_as<Hash>(node["hash"])});
  return out;
}

inline void read(const json& v, Keep&, ChannelHandshake& m) {
  m = {v["seeks"], unhex_as<Hash>(v["capability"])};
}

inline void read(const json& v, Keep&, SyncMessage& m) {
  m = {{number(v["fork"])},          {number(v["length"])},      {number(v["remoteLength"])},
       v["canUpgrade"].get<bool>(),  v["uploading"].get<bool>(), v["downloading"].get<bool>(),
       v["hasManifest"].get<bool>(), v["allowPush"].get<bool>()};
}

inline void read(const json& v, Keep&, Request& m) {
  m.id = number(v["id"]);
  m.fork = {number(v["fork"])};
  if (const json& p = v["block"]; !p.is_null()) m.proof.block = {{number(p["index"])}, number(p["nodes"])};
  if (const json& p = v["hash"]; !p.is_null()) m.proof.hash = {{number(p["index"])}, number(p["nodes"])};
  if (const json& p = v["seek"]; !p.is_null()) m.proof.seek = {{number(p["bytes"])}, {number(p["padding"])}};
  if (const json& p = v["upgrade"]; !p.is_null())
    m.proof.upgrade = {{number(p["start"])}, {number(p["length"])}};
  m.manifest = v["manifest"];
  m.priority = number(v["priority"]);
}

inline void read(const json& v, Keep&, Cancel& m) { m.request = number(v["request"]); }

// The manifest is left out: it is given encoded.
inline void read(const json& v, Keep& keep, Data& m) {
  m.request = number(v["request"]);
  m.fork = {number(v["fork"])};
  if (const json& p = v["block"]; !p.is_null())
    m.proof.block = {{number(p["index"])}, kept(keep, p["value"]), read_nodes(p["nodes"])};
  if (const json& p = v["hash"]; !p.is_null()) m.proof.hash = {{number(p["index"])}, read_nodes(p["nodes"])};
  if (const json& p = v["seek"]; !p.is_null()) m.proof.seek = {{number(p["bytes"])}, read_nodes(p["nodes"])};
  if (const json& p = v["upgrade"]; !p.is_null())
    m.proof.upgrade = {{number(p["start"])},
                       {number(p["length"])},
                       read_nodes(p["nodes"]),
                       read_nodes(p["additionalNodes"]),
                       p["signature"].is_null() ? Bytes{} : kept(keep, p["signature"])};
}

inline void read(const json& v, Keep&, NoData& m) {
  m = {number(v["request"]), static_cast<NoDataReason>(number(v["reason"]))};
}

inline void read(const json& v, Keep&, Want& m) {
  m = {{number(v["start"])}, {number(v["length"])}, v["any"].get<bool>()};
}

inline void read(const json& v, Keep&, Unwant& m) {
  m = {{number(v["start"])}, {number(v["length"])}, v["any"].get<bool>()};
}

inline void read(const json& v, Keep& keep, BitfieldMessage& m) {
  Buffer& words = keep.emplace_back();
  Writer out(words);
  for (const json& word : v["bitfield"]) out.u32(word.get<std::uint32_t>());
  m = {{number(v["start"])}, words};
}

inline void read(const json& v, Keep&, RangeMessage& m) {
  m = {v["drop"].get<bool>(), {number(v["start"])}, {number(v["length"])}};
}

inline void read(const json& v, Keep& keep, Extension& m) {
  m = {as_text(keep.emplace_back(to_buffer(as_bytes(v["name"].get<std::string>())))),
       kept(keep, v["message"])};
}

}  // namespace sheaf::test
