// Which HTTP requests may become a WebSocket here (L16): a web page that a browser of this machine has open
// must not reach a peer that listens on it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sheaf {

// A number of a host and "localhost" are always admitted as Host: nobody can have such a name lead elsewhere
// later (DNS rebinding). Other names are admitted when they are listed. A request without Origin comes from
// no browser; one with an Origin is admitted when that is listed, or is the host that was asked.
struct UpgradePolicy {
  std::string path{};                  // the only one that is served; empty: any
  std::vector<std::string> hosts{};    // names, without port
  std::vector<std::string> origins{};  // whole, e.g. https://example.org
};

bool admits_path(const UpgradePolicy& policy, std::string_view target);
bool admits_host(const UpgradePolicy& policy, std::string_view host);
bool admits_origin(const UpgradePolicy& policy, std::string_view origin, std::string_view host);

}  // namespace sheaf
