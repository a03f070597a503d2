#include "engine/peer_node/commands/store_support.hpp"

#include <algorithm>

#include "engine/peer_node/commands/output.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

Outcome store_failed(CommandContext& context, const Error& error, const std::string& what) {
  Outcome out = failed(error, what);
  const bool own = error == make_error_code(StorageErrc::not_found) ||
                   error == make_error_code(StorageErrc::too_large) ||
                   error == make_error_code(StorageErrc::closed);
  const std::string trouble = own ? std::string() : context.store.trouble();
  if (!out.reason.empty() && !trouble.empty()) out.reason += " (" + printable(trouble) + ")";
  return out;
}

Result<void> make_writable(Router& store) { return store.poisoned() ? store.reopen() : Result<void>(); }

asio::awaitable<Result<Buffer>> read_all(Io& io, std::size_t most) {
  constexpr std::size_t step = 256 * 1024;
  Buffer all;
  for (;;) {
    const std::size_t filled = all.size();
    all.resize(std::min(filled + step, most + 1));
    const auto got = co_await io.read(MutableBytes(all).subspan(filled));
    if (!got) co_return got.error();
    all.resize(filled + *got);
    if (*got == 0) co_return all;
    if (all.size() > most) co_return StorageErrc::too_large;
  }
}

}  // namespace sheaf::peer_node
