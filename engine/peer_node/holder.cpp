#include "engine/peer_node/holder.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/commands/run.hpp"
#include "engine/peer_node/limits_table.hpp"
#include "engine/peer_node/options.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

namespace {

// The level below which log lines are shown: a flag beats the configuration.
LogLevel level_of(const GlobalOptions& global, const Config& config) {
  if (global.verbosity < 0) return LogLevel::error;
  return global.verbosity > 0 ? LogLevel::debug : config.log_level;
}

asio::awaitable<Result<void>> until_interrupted(Interrupts& interrupts, Stop& stop) {
  while (interrupts.number == 0) {
    if (auto waited = co_await interrupts.arrived.wait(); !waited) co_return waited.error();
  }
  stop = {Stop::Why::signal, interrupts.number};
  co_return Result<void>{};
}

asio::awaitable<int> say_and_give(Io& io, const Said& said) {
  if (said.code == exit_code::done) {
    const auto written = co_await io.write(as_bytes(said.text));
    co_return written ? said.code : exit_code_of(written.error());
  }
  co_await io.draw(said.text);
  co_return said.code;
}

}  // namespace

Holder::Holder(Environment environment, Command own, Config config, Io& io)
    : environment_(std::move(environment)),
      own_(std::move(own)),
      config_(std::move(config)),
      io_(io),
      events_(environment_.executor) {}

Holder::~Holder() = default;

asio::awaitable<Result<void>> Holder::open(Interrupts& interrupts) {
  const CommandTraits traits = traits_of(own_.action);
  NodeOptions options;
  options.limits = config_.limits;
  options.durability = config_.durability;
  options.sparse = traits.sparse;
  options.allow_peers = config_.allow_peers;
  options.policy = config_.policy;
  options.allow = config_.allow;
  options.announce = config_.announce;
  options.max_archives = config_.max_archives;
  options.quota_archive = config_.quota_archive;
  options.web_hosts = config_.web_hosts;
  options.web_origins = config_.web_origins;
  if (auto opened = co_await open_store(traits); !opened) co_return opened.error();
  if (traits.rebuilds_root)
    if (auto rebuilt = co_await rebuild_root(interrupts); !rebuilt) co_return rebuilt.error();
  auto node = co_await Node::open(*store_, environment_, std::move(options));
  if (!node) co_return node.error();
  node_ = std::move(*node);
  if (own_.global.verbosity > 1) {
    std::string line = "sheaf: limits:";
    for (const auto& entry : limit_entries())
      line += " " + std::string(entry.name) + "=" + std::to_string(value_of(config_.limits, entry));
    co_await io_.say(line);
  }
  events_.start(follow_events());
  server_.emplace(environment_.executor, *environment_.timers, *this);
  // Without it others only have to wait for the folder; a file system without sockets is no reason to stop.
  if (auto started = server_->start(own_.global.folder); !started)
    co_await io_.say("sheaf: note: " + (own_.global.folder / control_name).string() + ": " +
                     started.error().message());
  co_return Result<void>{};
}

// The stores and routes are the configuration's, so we open them ourselves.
asio::awaitable<Result<void>> Holder::open_store(const CommandTraits& traits) {
  std::string trouble;
  StorageOptions storage = config_.storage;
  storage.rebuild_root = traits.rebuilds_root;
  const bool create = traits.makes_store;
  auto work = [this, create, &storage, &trouble] {
    return open_folder_store(own_.global.folder, create, storage, nullptr, trouble);
  };
  auto opened = co_await offload(*environment_.pool, work);
  if (!opened) {
    const bool plain = opened.error() == make_error_code(StorageErrc::not_found) ||
                       opened.error() == make_error_code(StorageErrc::locked);
    if (!plain && !trouble.empty()) co_await io_.say("sheaf: note: " + trouble);
    co_return opened.error();
  }
  store_ = std::move(*opened);
  co_return Result<void>{};
}

asio::awaitable<Result<void>> Holder::rebuild_root(Interrupts& interrupts) {
  RebuildReport report;
  Error why;
  Stop stop;
  const auto line = [&report] {
    return fmt::format("{} copies looked at, {} values have a pointer again", report.copies, report.values);
  };
  auto drawn =
      with_progress(*environment_.timers, own_.global, io_, rebuild_pages(report, why), std::function(line));
  co_await until_one_ends(std::move(drawn), until_interrupted(interrupts, stop));
  if (why == StorageErrc::exists) co_return Result<void>{};  // which is for the command to say
  if (why == cancelled_error())
    co_await io_.say("sheaf: note: the root is not made again yet: " + line() +
                     "; the same command goes on there");
  else if (why.failed())
    co_await io_.say("sheaf: note: " + store_->trouble());
  if (why.failed()) co_return why;
  root_rebuilt_ = report.values;
  co_return Result<void>{};
}

asio::awaitable<Outcome> Holder::rebuild_pages(RebuildReport& report, Error& why) {
  while (!report.done && !why.failed()) {
    auto work = [this] { return store_->rebuild_root(); };
    const auto page = co_await offload(*environment_.pool, work);
    if (page)
      report = *page;
    else
      why = page.error();
    if (page && !page->done && co_await was_cancelled()) why = cancelled_error();
  }
  co_return Outcome{};
}

CommandContext Holder::context_for(const GlobalOptions& global, const Config& config) {
  return CommandContext{.node = *node_,
                        .store = *store_,
                        .storage = config_.storage,
                        .environment = environment_,
                        .timers = *environment_.timers,
                        .global = global,
                        .config = config,
                        .sessions_started = sessions_started_,
                        .node_is_sparse = traits_of(own_.action).sparse,
                        .tells_anyone = config_.announce == Announce::all && config_.allow_peers.empty()};
}

asio::awaitable<int> Holder::run_own(Interrupts& interrupts) {
  Stop stop;
  CommandContext context = context_for(own_.global, config_);
  context.root_rebuilt = root_rebuilt_;
  const auto ended =
      co_await until_one_ends(run_command(context, own_, io_, stop), until_interrupted(interrupts, stop));
  interrupted_ = stop.why != Stop::Why::none;
  co_return ended.a;
}

asio::awaitable<void> Holder::close() {
  if (server_) co_await server_->finish(!interrupted_);
  if (node_) co_await node_->close();
  auto close_store = [this] { return store_ ? store_->close() : Result<void>(); };
  co_await offload(*environment_.pool, close_store);
  events_.cancel();
  co_await events_.join();
}

CommandHost::Answer Holder::consider(const Handover& handover) {
  const auto parsed = parse_arguments(handover.arguments, handover.around);
  const auto* command = std::get_if<Command>(&parsed);
  if (command == nullptr) return Answer::run;
  const CommandTraits theirs = traits_of(command->action);
  const CommandTraits own = traits_of(own_.action);
  // Sessions last, and so does whoever watches: a short command of ours shall not wait for them. Nor would a
  // node that was opened for something else fetch everything.
  const bool outlasts = theirs.replicates || (theirs.endless && !own.endless);
  if (outlasts && !own.replicates) return Answer::decline;
  return theirs.replicates && theirs.resumable ? Answer::run_while : Answer::run;
}

asio::awaitable<int> Holder::run(Handover handover, StandardDescriptors descriptors, const Stop& stop) {
  Io io(std::move(descriptors), handover.around);
  const auto parsed = parse_arguments(handover.arguments, handover.around);
  if (const auto* said = std::get_if<Said>(&parsed)) co_return co_await say_and_give(io, *said);
  const auto& command = std::get<Command>(parsed);
  std::optional<Config> config;
  std::string wrong;
  try {
    config = load_config(command.global.config, command.global.folder, handover.around);
  } catch (const BadConfig& bad) {
    wrong = bad.what();
  }
  if (!config) {
    co_await io.say("sheaf: " + wrong);
    co_return exit_code::failed;
  }
  CommandContext context = context_for(command.global, *config);
  co_return co_await run_command(context, command, io, stop);
}

asio::awaitable<void> Holder::follow_events() {
  for (;;) {
    const auto event = co_await node_->next_event();
    if (!event) co_return;
    if (event->kind == NodeEvent::Kind::session_started) ++sessions_started_;
    co_await log_event(*event);
  }
}

asio::awaitable<void> Holder::log_event(const NodeEvent& event) {
  const LogLevel level = level_of(own_.global, config_);
  // A command of our own that ends says with its end what stopped it.
  const bool said_at_end = !traits_of(own_.action).endless && level < LogLevel::debug;
  const std::string who = event.remote + (event.remote_key ? " " + to_string(*event.remote_key) : "");
  switch (event.kind) {
    case NodeEvent::Kind::session_started:
      if (level >= LogLevel::debug) co_await io_.say("sheaf: session with " + who);
      co_return;
    case NodeEvent::Kind::session_ended:
      if (level >= LogLevel::debug)
        co_await io_.say("sheaf: session with " + who +
                         " ended: " + std::string(to_string(event.summary.reason)));
      co_return;
    case NodeEvent::Kind::core_frozen: {
      if (said_at_end) co_return;
      // Put together before the wait: g++ 12 destroys twice what a ?: within it has made.
      const std::string core = event.core ? to_string(*event.core) : "a core";
      co_await io_.say("sheaf: " + core + ": its writer signed two histories; it takes nothing more");
      co_return;
    }
    case NodeEvent::Kind::quota_reached: {
      if (said_at_end) co_return;
      const std::string archive = event.core ? to_string(*event.core) : "an archive";
      co_await io_.say("sheaf: note: " + archive + ": more than [bundle] quota_archive is not kept of it");
      co_return;
    }
    case NodeEvent::Kind::store_stopped:
      // A command that ends would wait for it without a word.
      co_await io_.say("sheaf: note: the store takes no writes, and nothing is fetched until it does: " +
                       event.error.message());
      co_return;
    case NodeEvent::Kind::gap:
      if (level >= LogLevel::debug) co_await io_.say("sheaf: some events were dropped");
      co_return;
  }
}

}  // namespace sheaf::peer_node
