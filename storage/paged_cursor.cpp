#include "storage/paged_cursor.hpp"

#include <utility>

namespace sheaf {
namespace {

// At most, and one entry more than the bytes.
constexpr std::size_t page_entries = 1'000;
constexpr std::size_t page_bytes = 256 * 1024;

class PagedCursor final : public Cursor {
 public:
  explicit PagedCursor(std::function<Result<CursorPage>()> bring) : bring_(std::move(bring)) {}

  Result<bool> next() override {
    if (begun_ && at_ < page_.entries.size()) ++at_;
    begun_ = true;
    while (at_ == page_.entries.size()) {
      if (page_.failure) return {boost::system::in_place_error, Error(*page_.failure)};
      if (page_.ended) return false;
      auto brought = bring_();
      page_ = brought ? std::move(*brought) : CursorPage{.entries = {}, .failure = brought.error()};
      at_ = 0;
    }
    return true;
  }
  Bytes key() const override { return page_.entries[at_].key; }
  Bytes value() const override { return page_.entries[at_].value; }

 private:
  const std::function<Result<CursorPage>()> bring_;
  CursorPage page_;
  std::size_t at_ = 0;
  bool begun_ = false;
};

}  // namespace

CursorPage next_page(Cursor& cursor) {
  CursorPage page;
  std::size_t bytes = 0;
  while (page.entries.size() < page_entries && bytes < page_bytes) {
    const auto more = cursor.next();
    if (!more) page.failure = more.error();
    if (more && !*more) page.ended = true;
    if (!more || !*more) break;
    page.entries.push_back({.key = to_buffer(cursor.key()), .value = to_buffer(cursor.value())});
    bytes += cursor.key().size() + cursor.value().size();
  }
  return page;
}

std::unique_ptr<Cursor> paged_cursor(std::function<Result<CursorPage>()> bring) {
  return std::make_unique<PagedCursor>(std::move(bring));
}

}  // namespace sheaf
