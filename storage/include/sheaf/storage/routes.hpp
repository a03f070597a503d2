// Routes: which store a value belongs to, as a list of rules. The first whose conditions all hold, and that
// names stores, takes the value.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sheaf/protocol/key.hpp"
#include "sheaf/storage/router.hpp"

namespace sheaf {

struct Route {
  // Conditions; one that is not there holds.
  std::optional<std::uint64_t> min_size{};
  std::optional<std::uint64_t> max_size{};
  std::optional<Traits::Role> role{};
  // A JSON pointer (RFC 6901) into a value that is JSON. What it names has to be there; or to be equal to
  // this JSON text; or to one of these.
  std::optional<std::string> json{};
  std::optional<std::string> equals{};
  std::vector<std::string> one_of{};
  // One of these is what the value begins as: "image/png", or "image/*" for a whole family, as libmagic has
  // it from the first content_type_bytes. A block is looked at by itself: the later blocks of a file, and
  // those of an encrypted core, do not show what they belong to.
  std::vector<std::string> content_types{};
  // The value is a block of one of these archives, named by the key of its db core; a bare core is named by
  // its own.
  std::vector<CoreKey> archives{};

  // Labels; or a JSON pointer to a text or a list of texts in the value, which names them. Names that are no
  // store's are left out; where none is left the next route is tried.
  std::vector<std::string> to{};
  std::optional<std::string> to_json{};

  std::string name{};  // for people: where it is written
};

// Values beyond this are not looked into: no condition on JSON holds for them.
inline constexpr std::size_t json_bytes_most = 1024 * 1024;

// So much of a value is looked at for its content type. That takes about a millisecond, and is done only
// where all other conditions of a route hold that asks for it.
inline constexpr std::size_t content_type_bytes = 4 * 1024;

// Says whose a core is. Called from any thread.
class ArchiveOfCore {
 public:
  virtual ~ArchiveOfCore() = default;
  // The archive's key, or a bare core's own; nothing where it is not known.
  virtual std::optional<CoreKey> archive_of(CoreId core) = 0;
};

// Throws std::invalid_argument for what is no JSON pointer, JSON text or content type, where content types
// are asked for and libmagic's database cannot be read, for a route that names nothing, and for one whose
// members contradict each other: both targets, `equals` beside `one_of`, sizes that no value has.
void check_route(const Route& route);

// `labels`: the stores there are. Throws as check_route(), and where a route asks for archives and nobody
// knows them.
std::unique_ptr<Mapper> route_mapper(std::vector<Route> routes, std::vector<std::string> labels,
                                     std::unique_ptr<ArchiveOfCore> archives = nullptr);

}  // namespace sheaf
