// Two nodes in one loop, and commands that run on them as the program runs them.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/peer_node/commands/run.hpp"
#include "engine/peer_node/options.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/engine/environment.hpp"
#include "sheaf/storage/memory_backend.hpp"
#include "sheaf/storage/routes.hpp"
#include "sheaf/storage/value_keys.hpp"
#include "tests/peer_node/support.hpp"

namespace sheaf::test {

namespace asio = boost::asio;
using Json = nlohmann::json;
using namespace peer_node;

struct Ran {
  int code = -1;
  std::string out;
  std::string err;
  Json json() const { return Json::parse(out); }
};

// As a folder has it, in memory: values from 4 KiB on in `large`, others in `small`, blocks beside the state
// in the root. A value may also name its stores.
inline std::unique_ptr<Router> router_in_memory() {
  RouterOptions options;
  options.root.owned = memory_backend({.limits = {.key_bytes = 2048}});
  for (const char* label : {"small", "large"}) {
    RoutedStore store{.label = label, .owned = memory_backend({.limits = {.key_bytes = 2048}})};
    options.stores.push_back(std::move(store));
  }
  options.mapper = route_mapper({{.json = "/stores", .to_json = "/stores", .name = "as it says"},
                                 {.min_size = 4096, .to = {"large"}, .name = "4 KiB or more"}},
                                {"small", "large"});
  options.fallback = "small";
  const ValueRange values({});
  options.fresh_prefix = to_buffer(values.stored().gte);
  options.fresh_text = true;
  options.limits.key_bytes = value_key_bytes_most + 1;
  return router(std::move(options));
}

// One node, and the counting of its sessions that a holder does.
struct Place {
  std::unique_ptr<Router> store = router_in_memory();
  std::unique_ptr<Node> node;
  std::uint64_t sessions_started = 0;
  bool sparse = true;
  Config config;
  StorageOptions storage;
};

struct CommandWorld {
  asio::io_context loop{1};
  SystemEnvironment environment{loop.get_executor(), 1};
  Place a;
  Place b;

  asio::awaitable<void> open(Place& place, bool sparse = true) {
    CHECK(place.store->open().has_value());
    co_await open_node(place, sparse);
  }

  asio::awaitable<void> open_node(Place& place, bool sparse = true) {
    NodeOptions options;
    options.sparse = sparse;
    options.quota_archive = place.config.quota_archive;
    place.sparse = sparse;
    auto node = co_await Node::open(*place.store, environment.get(), options);
    REQUIRE(node.has_value());
    place.node = std::move(*node);
  }

  asio::awaitable<void> count_sessions(Place& place) {
    for (;;) {
      const auto event = co_await place.node->next_event();
      if (!event) co_return;
      if (event->kind == NodeEvent::Kind::session_started) ++place.sessions_started;
    }
  }

  // `line`: the arguments, with spaces between them.
  asio::awaitable<Ran> call(Place& place, std::string line, std::string input = {},
                            const Stop* stop = nullptr, Pipe* output = nullptr) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; stream >> word;) words.push_back(word);
    const Parsed parsed = parse_arguments(words, plain_surroundings());
    Ran ran;
    if (const auto* said = std::get_if<Said>(&parsed)) FAIL(said->text);
    const Command& command = std::get<Command>(parsed);
    Pipe in, own_out, err;
    Pipe& out = output != nullptr ? *output : own_out;
    REQUIRE(::write(in.write.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()));
    { const Descriptor closing = std::move(in.write); }
    StandardDescriptors descriptors{std::move(in.read), Descriptor(::dup(out.write.get())),
                                    Descriptor(::dup(err.write.get()))};
    const Stop never;
    {
      Io io(std::move(descriptors), plain_surroundings());
      CommandContext context{.node = *place.node,
                             .store = *place.store,
                             .storage = place.storage,
                             .environment = environment.get(),
                             .timers = *environment.get().timers,
                             .global = command.global,
                             .config = place.config,
                             .sessions_started = place.sessions_started,
                             .node_is_sparse = place.sparse};
      ran.code = co_await run_command(context, command, io, stop != nullptr ? *stop : never);
    }
    if (output == nullptr) ran.out = out.drain();
    ran.err = err.drain();
    co_return ran;
  }

  // Both nodes opened, the story told, both closed.
  asio::awaitable<void> around(asio::awaitable<void> story) {
    co_await open(a);
    co_await open(b);
    Tasks tasks(loop.get_executor());
    tasks.start(count_sessions(a));
    tasks.start(count_sessions(b));
    co_await std::move(story);
    co_await a.node->close();
    co_await b.node->close();
    co_await tasks.join();
  }

  void run(asio::awaitable<void> story) { test::run(loop, around(std::move(story))); }

  // A core `log` at a with the lines 0 to count - 1; its key.
  asio::awaitable<std::string> log_at_a(int count) {
    const Ran created = co_await call(a, "core create log --json");
    CHECK(created.code == 0);
    std::string lines;
    for (int i = 0; i < count; ++i) lines += std::to_string(i) + "\n";
    const Ran appended = co_await call(a, "core append log --lines --json", lines);
    CHECK(appended.code == 0);
    CHECK(appended.json().at("length") == count);
    co_return created.json().at("key").get<std::string>();
  }

  asio::awaitable<std::string> serve(Place& place) {
    Address address;
    address.host = "127.0.0.1";
    const auto taken = co_await place.node->listen(address);
    REQUIRE(taken.has_value());
    co_return to_string(*taken);
  }
  asio::awaitable<std::string> serve_a() { return serve(a); }
};

}  // namespace sheaf::test
