#include "sheaf/engine/error.hpp"

#include <string>

namespace sheaf {
namespace {

class EngineCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "sheaf.engine"; }
  std::string message(int code) const override {
    switch (static_cast<EngineErrc>(code)) {
      case EngineErrc::not_found: return "not found";
      case EngineErrc::not_available: return "not here, and no peer has it";
      case EngineErrc::not_writable: return "not writable: its secret key is not in this folder";
      case EngineErrc::exists: return "exists already";
      case EngineErrc::frozen: return "frozen: its writer has signed two histories";
      case EngineErrc::out_of_range: return "out of range";
      case EngineErrc::wrong_key: return "no archive, or encrypted with a key that is not here";
      case EngineErrc::no_peer: return "no peer could be reached, or it went away too early";
      case EngineErrc::refused: return "refused";
      case EngineErrc::closed: return "closed";
      case EngineErrc::uncertain:
        return "the machine stopped uncleanly; a longer history may exist on a peer";
      case EngineErrc::bad_name: return "no entry can have that name";
      case EngineErrc::no_contents: return "has no contents: a symlink, or metadata alone";
      case EngineErrc::quota: return "the archive's quota of bytes does not let more of it be kept here";
      case EngineErrc::too_many_links: return "too many symlinks lead to one another";
    }
    return "unknown engine error";
  }
};

}  // namespace

const boost::system::error_category& engine_category() noexcept {
  static const EngineCategory category;
  return category;
}

}  // namespace sheaf
