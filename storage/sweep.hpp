// Deletions of a core's records. Those of many keys come in writes of bounded size and are not atomic: what
// asks for it remembers on disk that it has to be asked for again.
#pragma once

#include <optional>
#include <vector>

#include "sheaf/storage/backend.hpp"
#include "storage/key_schema.hpp"

namespace sheaf {

// One key, as what it is: a store made of stores looks elsewhere for what has another role.
Result<void> delete_one(Backend& backend, Bytes key, const Traits& traits, Durable durable);

// Every key of the span, but for those that end in one of these integers (ascending). Not synced.
Result<void> delete_span(Backend& backend, const keys::Span& span, const Traits& traits,
                         const std::vector<std::uint64_t>& kept = {});

// The integers at the end of the keys of a span; nothing if there are more than `most`.
Result<std::optional<std::vector<std::uint64_t>>> indexes_in(Backend& backend, const keys::Span& span,
                                                             std::size_t most);

}  // namespace sheaf
