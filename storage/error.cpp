#include "sheaf/storage/error.hpp"

#include <string>

namespace sheaf {
namespace {

class StorageCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "sheaf.storage"; }
  std::string message(int code) const override {
    switch (static_cast<StorageErrc>(code)) {
      case StorageErrc::not_found: return "not found";
      case StorageErrc::poisoned: return "an earlier write to the store failed; it has to be reopened";
      case StorageErrc::damaged: return "the store is damaged";
      case StorageErrc::locked: return "another process holds the store";
      case StorageErrc::full: return "no space is left for the store";
      case StorageErrc::io_error: return "the system refused to read or write the store";
      case StorageErrc::newer_format: return "the store was written by a newer version";
      case StorageErrc::too_large: return "too large for the store";
      case StorageErrc::closed: return "the store is closed";
      case StorageErrc::timed_out: return "the store did not answer in time";
      case StorageErrc::exists: return "it exists already";
    }
    return "unknown storage error";
  }
};

}  // namespace

const boost::system::error_category& storage_category() noexcept {
  static const StorageCategory category;
  return category;
}

}  // namespace sheaf
