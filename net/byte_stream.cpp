#include "sheaf/net/byte_stream.hpp"

#include <boost/asio/error.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;

Error would_block_error() noexcept { return asio::error::would_block; }

bool is_would_block(const Error& error) noexcept {
  return error == asio::error::would_block || error == asio::error::try_again;
}

asio::awaitable<Result<std::size_t>> read_some(ByteStream& stream, MutableBytes into) {
  for (;;) {
    const auto taken = stream.try_read(into);
    if (taken || !is_would_block(taken.error())) co_return taken;
    if (const auto waited = co_await stream.readable(); !waited) co_return waited.error();
  }
}

asio::awaitable<Result<void>> read_all(ByteStream& stream, MutableBytes into) {
  while (!into.empty()) {
    const auto taken = co_await read_some(stream, into);
    if (!taken) co_return taken.error();
    if (*taken == 0) co_return NetErrc::ended;
    into = into.subspan(*taken);
  }
  co_return Result<void>();
}

asio::awaitable<Result<void>> write_all(ByteStream& stream, Bytes bytes) {
  while (!bytes.empty()) {
    const auto sent = stream.try_write({&bytes, 1});
    if (sent) {
      bytes = bytes.subspan(*sent);
      continue;
    }
    if (!is_would_block(sent.error())) co_return sent.error();
    if (const auto waited = co_await stream.writable(); !waited) co_return waited.error();
  }
  co_return Result<void>();
}

}  // namespace sheaf
