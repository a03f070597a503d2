#include "storage/leveldb_status.hpp"

#include <string>
#include <system_error>

namespace sheaf {
namespace {

// LevelDB keeps the system's words for an error and drops its number.
bool names(const std::string& text, std::errc code) {
  return text.find(std::make_error_code(code).message()) != std::string::npos;
}

}  // namespace

StorageErrc to_errc(const leveldb::Status& status) {
  const std::string text = status.ToString();
  if (status.IsNotFound()) {
    // A key that is not there carries no message; a file that is not there carries its name.
    return text == "NotFound: " ? StorageErrc::not_found : StorageErrc::damaged;
  }
  if (status.IsCorruption()) return StorageErrc::damaged;
  if (text.starts_with("IO error: lock ")) return StorageErrc::locked;
  if (names(text, std::errc::no_space_on_device)) return StorageErrc::full;
  return StorageErrc::io_error;
}

}  // namespace sheaf
