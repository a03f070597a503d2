// Routes: which store a value belongs to, as a list of rules. The first whose conditions all hold, and that
// names stores, takes the value.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sheaf/storage/router.hpp"

namespace sheaf {

struct Route {
  // Conditions; one that is not there holds.
  std::optional<std::uint64_t> min_size{};
  std::optional<std::uint64_t> max_size{};
  std::optional<Traits::Role> role{};
  // A JSON pointer (RFC 6901) into a value that is JSON. What it names has to be there, to be equal to this
  // JSON text, or to one of these.
  std::optional<std::string> json{};
  std::optional<std::string> equals{};
  std::vector<std::string> one_of{};

  // Labels; or a JSON pointer to a text or a list of texts in the value, which names them. Names that are no
  // store's are left out; where none is left the next route is tried.
  std::vector<std::string> to{};
  std::optional<std::string> to_json{};

  std::string name{};  // for people: where it is written
};

// Values beyond this are not looked into: no condition on JSON holds for them.
inline constexpr std::size_t json_bytes_most = 1024 * 1024;

// `labels`: the stores there are. Throws std::invalid_argument for what is no JSON pointer or JSON text, and
// for a route that names nothing.
std::unique_ptr<Mapper> route_mapper(std::vector<Route> routes, std::vector<std::string> labels);

}  // namespace sheaf
