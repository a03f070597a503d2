#include "engine/peer_node/commands/store_watch.hpp"

#include <atomic>

#include <boost/asio/post.hpp>

#include "engine/peer_node/commands/store_support.hpp"
#include "engine/peer_node/commands/value_json.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/storage/value_keys.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

// Carries the word that there are changes from the thread that wrote to the strand that waits for them.
class Bell final : public ChangeListener, public std::enable_shared_from_this<Bell> {
 public:
  explicit Bell(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  void changed() noexcept override {
    if (rung_.exchange(true)) return;  // on its way already
    asio::post(executor_, [self = shared_from_this()] {
      self->rung_ = false;
      self->heard_.notify();
    });
  }
  asio::awaitable<Result<void>> wait() { return heard_.wait(); }

 private:
  asio::any_io_executor executor_;
  std::atomic<bool> rung_{false};
  Signal heard_;
};

std::string change_line(const Change& change, bool values) {
  if (change.kind == Change::Kind::gap) return R"({"type":"gap"})";
  const bool put = change.kind == Change::Kind::put;
  Json json{{"type", put ? "put" : "del"}, {"batch", change.batch}};
  add_bytes(json, "key", *key_of_value(change.key));
  if (put && values) add_bytes(json, "value", change.value);
  return to_line(json);
}

asio::awaitable<Outcome> print_changes(Changes& changes, Bell& bell, bool values, Io& io) {
  for (;;) {
    while (const auto change = changes.try_next()) {
      std::string line = change_line(*change, values);
      if (auto printed = co_await io.print(std::move(line)); !printed)
        co_return failed(printed.error(), "stdout");
    }
    if (auto waited = co_await bell.wait(); !waited) co_return failed(waited.error(), "watch");
  }
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const StoreWatchCommand& command, Io& io) {
  const auto bell = std::make_shared<Bell>(context.environment.executor);
  const ValueRange all({});
  ChangeOptions options;
  options.prefix = all.stored().gte;
  options.values = command.values;
  options.listener = bell;
  auto work = [&] { return context.store.changes(options); };
  auto changes = co_await offload(*context.environment.pool, work);
  if (!changes) co_return store_failed(context, changes.error(), context.global.folder);
  if (context.global.verbosity >= 0) co_await io.say("sheaf: watching");
  co_return co_await print_changes(**changes, *bell, command.values, io);
}

}  // namespace sheaf::peer_node
