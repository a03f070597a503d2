// A walk whose entries come in pages from elsewhere: out of a store's lane, for instance.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "sheaf/storage/backend.hpp"

namespace sheaf {

struct CursorPage {
  struct Entry {
    Buffer key;
    Buffer value;
  };
  std::vector<Entry> entries;
  // What follows them: the end, a failure, or another page.
  bool ended = false;
  std::optional<Error> failure{};
};

// The entries that come next, as many as a page should hold.
CursorPage next_page(Cursor& cursor);

// Asks for a page whenever the last one is used up. A page that could not be brought may have been read all
// the same, so a walk that has failed goes on failing, with the same error.
std::unique_ptr<Cursor> paged_cursor(std::function<Result<CursorPage>()> bring);

}  // namespace sheaf
