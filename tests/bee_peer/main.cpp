// Writes and reads a Hyperbee in a folder by the public interface, for the interop tests.
//
// usage: bee_peer FOLDER write NAME        operations from stdin, one JSON object a line: {"put":KEY,
//                                          "value":VALUE or null}, {"del":KEY}, {"batch":[operations]};
//                                          prints {"key":...,"version":...}
//        bee_peer FOLDER read KEY VERSION  of that version (0: the latest that is here) each entry as
//                                          {"seq":...,"key":...,"value":...}, then what was written as
//                                          {"put":..., ...} with the same three
// Exit code 1 and a line on stderr for whatever goes wrong.
#include <iostream>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "sheaf/engine/bee.hpp"
#include "sheaf/engine/node.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace {

using namespace sheaf;
using boost::asio::awaitable;
using Json = nlohmann::json;

Buffer bytes_of(const Json& text) { return to_buffer(as_bytes(text.get_ref<const std::string&>())); }

template <class Writer>
awaitable<Result<void>> apply(Writer& writer, const Json& operation) {
  if (operation.contains("del")) {
    auto gone = co_await writer.del(bytes_of(operation["del"]));
    co_return gone ? Result<void>() : gone.error();
  }
  std::optional<Buffer> value;
  if (!operation["value"].is_null()) value = bytes_of(operation["value"]);
  auto put = co_await writer.put(bytes_of(operation["put"]), std::move(value));
  co_return put ? Result<void>() : put.error();
}

awaitable<Result<void>> write(Node& node, std::string name) {
  auto core = co_await node.create_core(std::move(name));
  if (!core) co_return core.error();
  auto bee = co_await node.bee(core->key());
  if (!bee) co_return bee.error();
  for (std::string line; std::getline(std::cin, line);) {
    const Json operation = Json::parse(line);
    if (!operation.contains("batch")) {
      if (auto done = co_await apply(*bee, operation); !done) co_return done;
      continue;
    }
    Bee::Batch batch = bee->batch();
    for (const Json& one : operation["batch"])
      if (auto done = co_await apply(batch, one); !done) co_return done;
    if (auto flushed = co_await batch.flush(); !flushed) co_return flushed.error();
  }
  const auto version = co_await bee->version();
  if (!version) co_return version.error();
  std::cout << Json{{"key", to_string(core->key())}, {"version", version->value}} << '\n';
  co_return Result<void>();
}

Json json_of(const Bee::Entry& entry) {
  Json out{{"seq", entry.seq.value}, {"key", as_text(entry.key)}, {"value", nullptr}};
  if (entry.value) out["value"] = as_text(*entry.value);
  return out;
}

awaitable<Result<void>> read(Node& node, CoreKey key, Version version) {
  auto latest = co_await node.bee(key);
  if (!latest) co_return latest.error();
  Bee bee = version.value > 0 ? latest->checkout(version) : std::move(*latest);
  Bee::Range range;
  range.from = Core::From::here;
  auto entries = co_await bee.range(std::move(range));
  if (!entries) co_return entries.error();
  for (;;) {
    const auto entry = co_await entries->next();
    if (!entry) co_return entry.error();
    if (!*entry) break;
    std::cout << json_of(**entry) << '\n';
  }
  Bee::History asked;
  asked.from = Core::From::here;
  auto history = co_await bee.history(asked);
  if (!history) co_return history.error();
  for (;;) {
    const auto operation = co_await history->next();
    if (!operation) co_return operation.error();
    if (!*operation) break;
    Json line = json_of((*operation)->entry);
    line["put"] = (*operation)->put;
    std::cout << line << '\n';
  }
  co_return Result<void>();
}

awaitable<void> run(const Environment& environment, std::vector<std::string> words, int& code) {
  auto node = co_await Node::open(words[1], true, environment);
  Result<void> done;
  if (!node) {
    done = node.error();
  } else {
    if (words[2] == "write")
      done = co_await write(**node, words[3]);
    else
      done = co_await read(**node, key_from_text<CoreKey>(words[3]).value(), {std::stoull(words[4])});
    co_await (*node)->close();
  }
  if (done) co_return;
  std::cerr << done.error().message() << '\n';
  code = 1;
}

}  // namespace

int main(int count, char** texts) {
  std::vector<std::string> words(texts, texts + count);
  if (count != 4 && count != 5) return 2;
  int code = 0;
  boost::asio::io_context loop(1);
  sheaf::SystemEnvironment environment(loop.get_executor());
  boost::asio::co_spawn(loop, run(environment.get(), std::move(words), code), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  loop.run();
  return code;
}
