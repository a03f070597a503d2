#include "engine/peer_node/files/decision.hpp"

namespace sheaf::peer_node::files {
namespace {

bool same_attributes(const Facts& from, const Facts& to) {
  return from.executable == to.executable && (!from.modified || from.modified == to.modified);
}

}  // namespace

Verdict decide(const Facts& from, const std::optional<Facts>& to, bool checksum) {
  if (!to) return Verdict::add;
  if (from.kind != to->kind) return Verdict::change;
  if (from.kind == Facts::Kind::link)
    return from.link_text == to->link_text ? Verdict::same : Verdict::change;
  if (from.bytes != to->bytes) return Verdict::change;
  // A time that is not known says nothing about the contents.
  if (!checksum && from.modified && same_attributes(from, *to)) return Verdict::same;
  return Verdict::compare;
}

Verdict after_comparing(const Facts& from, const Facts& to, bool equal_contents) {
  if (!equal_contents) return Verdict::change;
  return same_attributes(from, to) ? Verdict::same : Verdict::attributes;
}

}  // namespace sheaf::peer_node::files
