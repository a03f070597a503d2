// F21: a configuration and the environment that beats it. Either it is refused with a reason that says where,
// or what was read keeps within what the rest of the program relies on.
//
// The input is the file; behind its first zero byte stand variables, NAME=VALUE, ended by zero bytes.
#include <algorithm>
#include <memory>
#include <string>

#include "engine/peer_node/config.hpp"
#include "engine/peer_node/limits_table.hpp"
#include "engine/peer_node/storage_config.hpp"
#include "sheaf/protocol/units.hpp"
#include "sheaf/storage/routes.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using namespace sheaf::peer_node;
using fuzz::expect;

namespace {

class Nobody final : public ArchiveOfCore {
 public:
  std::optional<CoreKey> archive_of(CoreId) override { return std::nullopt; }
};

void check(const Config& config) {
  for (const LimitEntry& entry : limit_entries()) {
    const std::uint64_t value = value_of(config.limits, entry);
    expect(value <= max_wire_integer && (value > 0 || entry.may_be_zero));
  }
  for (const Address& address : config.listen) expect(address.scheme != Scheme::exec);
  const auto& stores = config.storage.stores;
  for (const StoreConfig& store : stores) {
    expect(!store.label.empty() && !store.folder.empty());
    expect(1 == std::ranges::count_if(stores, [&](const auto& other) { return other.label == store.label; }));
  }
  if (config.storage.fallback) expect(has_store(config.storage, *config.storage.fallback));
  for (const Route& route : config.storage.routes)
    for (const std::string& label : route.to) expect(has_store(config.storage, label));
  (void)route_mapper(config.storage.routes, {}, std::make_unique<Nobody>());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view text = input.substr(0, input.find('\0'));
  Surroundings around;
  for (std::string_view rest = input.substr(text.size()); !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view variable = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(variable.size());
    const std::size_t equals = variable.find('=');
    if (equals != std::string_view::npos)
      around.environment[std::string(variable.substr(0, equals))] = variable.substr(equals + 1);
  }
  try {
    check(parse_config(text, "sheaf.toml", "/folder", around));
  } catch (const BadConfig& refused) {
    const std::string_view why = refused.what();
    expect(why.starts_with("sheaf.toml:") || why.starts_with("environment: SHEAF_") ||
           why.starts_with("storage.fallback: "));
  }
  return 0;
}
