#include "storage/sweep.hpp"

#include <algorithm>

namespace sheaf {
namespace {

constexpr std::size_t deletes_a_write = 2'000;

}  // namespace

Result<void> delete_one(Backend& backend, Bytes key, const Traits& traits, Durable durable) {
  Batch batch;
  batch.del(key, traits);
  return backend.write(batch, durable);
}

Result<void> delete_span(Backend& backend, const keys::Span& span, const Traits& traits,
                         const std::vector<std::uint64_t>& kept) {
  auto cursor = backend.iterate({.gte = span.first, .lt = span.end, .keys_only = true});
  if (!cursor) return cursor.error();
  const std::size_t a_write = std::min(deletes_a_write, backend.limits().batch_operations);
  Batch batch;
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return more.error();
    if (!*more) break;
    const Bytes key = (*cursor)->key();
    if (!kept.empty() && std::binary_search(kept.begin(), kept.end(), keys::last_u64(key))) continue;
    batch.del(key, traits);
    if (batch.size() < a_write) continue;
    if (auto written = backend.write(batch, Durable::no); !written) return written;
    batch.clear();
  }
  return batch.empty() ? Result<void>() : backend.write(batch, Durable::no);
}

Result<std::optional<std::vector<std::uint64_t>>> indexes_in(Backend& backend, const keys::Span& span,
                                                             std::size_t most) {
  auto cursor = backend.iterate(
      {.gte = span.first, .lt = span.end, .keys_only = true, .limit = most + std::uint64_t{1}});
  if (!cursor) return cursor.error();
  std::vector<std::uint64_t> found;
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return more.error();
    if (!*more) return std::optional(std::move(found));
    if (found.size() == most) return std::optional<std::vector<std::uint64_t>>();
    found.push_back(keys::last_u64((*cursor)->key()));
  }
}

}  // namespace sheaf
