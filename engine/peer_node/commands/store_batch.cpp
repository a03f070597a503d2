#include "engine/peer_node/commands/store_batch.hpp"

#include "engine/peer_node/commands/line_splitter.hpp"
#include "engine/peer_node/commands/store_support.hpp"
#include "engine/peer_node/commands/value_json.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/error.hpp"
#include "sheaf/storage/value_keys.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

// A value's bytes may be written as hex digits or escaped (\u0000), and there is more around it.
constexpr std::size_t text_bytes_a_byte = 6;
constexpr std::size_t text_around_bytes = 16 * 1024;

// What of stdin was taken in.
struct Taken {
  Batch batch;
  std::uint64_t lines = 0;
  std::optional<std::string> wrong{};  // with the number of the line

  void add(const std::vector<Buffer>& more, const StoreLimits& limits) {
    for (const Buffer& line : more) {
      if (wrong) return;
      ++lines;
      const bool blank = as_text(line).find_first_not_of(" \t\r") == std::string_view::npos;
      if (blank) continue;
      wrong = add_operation(batch, line);
      if (!wrong && (batch.size() > limits.batch_operations || batch.bytes() > limits.batch_bytes))
        wrong = "more than one write may hold: " + std::to_string(limits.batch_operations) + " operations, " +
                std::to_string(limits.batch_bytes) + " bytes";
      if (wrong) wrong = "line " + std::to_string(lines) + ": " + *wrong;
    }
  }
};

asio::awaitable<Result<void>> take_input(Taken& taken, const StoreLimits& limits, Io& io) {
  constexpr std::size_t step = 256 * 1024;
  LineSplitter splitter(limits.value_bytes * text_bytes_a_byte + text_around_bytes);
  Buffer part(step);
  while (!taken.wrong) {
    const auto got = co_await io.read(part);
    if (!got) co_return got.error();
    std::vector<Buffer> lines;
    if (*got == 0) {
      splitter.finish(lines);
      taken.add(lines, limits);
      break;
    }
    const bool fits = splitter.feed(Bytes(part).first(*got), lines);
    taken.add(lines, limits);
    if (!fits) co_return StorageErrc::too_large;
  }
  co_return Result<void>{};
}

}  // namespace

std::optional<std::string> add_operation(Batch& batch, Bytes line) {
  const Json json = Json::parse(as_text(line), nullptr, false);
  if (json.is_discarded()) return "not JSON";
  if (!json.is_object()) return "not a JSON object";
  const auto type = json.find("type");
  const bool put = type != json.end() && *type == "put";
  if (!put && (type == json.end() || *type != "del")) return "type is neither put nor del";
  for (const auto& member : json.items()) {
    const std::string& name = member.key();
    const bool known = name == "type" || name == "key" || name == "key_hex" ||
                       (put && (name == "value" || name == "value_hex"));
    if (!known) return "no such member here: " + printable(name);
  }
  std::string wrong;
  const auto key = bytes_of(json, "key", wrong);
  if (!key) return wrong;
  if (key->empty() || key->size() > value_key_bytes_most) return "a value's key has 1 to 1,024 bytes";
  if (!put) {
    batch.del(value_key(*key));
    return std::nullopt;
  }
  const auto value = bytes_of(json, "value", wrong);
  if (!value) return wrong;
  batch.put_copy(value_key(*key), *value);
  return std::nullopt;
}

asio::awaitable<Outcome> run(CommandContext& context, const StoreBatchCommand&, Io& io) {
  Taken taken;
  if (auto read = co_await take_input(taken, context.store.limits(), io); !read)
    co_return failed(read.error(), "stdin");
  if (taken.wrong) co_return failed(exit_code::failed, "stdin, " + *taken.wrong);
  if (taken.batch.empty()) co_return Outcome{};
  auto work = [&]() -> Result<void> {
    if (auto able = make_writable(context.store); !able) return able;
    return context.store.write(taken.batch, Durable::yes);
  };
  if (auto written = co_await offload(*context.environment.pool, work); !written)
    co_return store_failed(context, written.error(), "stdin");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
