// The verbs of the measuring contract: serve-core, fetch-core, fetch-sparse, serve-live, fetch-live,
// local-append; serve-drive, fetch-drive, local-drive (drive_verbs); serve-many, fetch-many, fetch-idle
// (many_verbs); local-bee (bee_verb). One JSON object a line on stdout, then idle until stdin ends.
#pragma once

#include "engine/peer_node/bench/run.hpp"
#include "engine/peer_node/exit_code.hpp"

namespace sheaf::peer_node {

struct BenchContext {
  const Environment& environment;
  Io& io;
  bool in_memory;
  bool over_web;
};

boost::asio::awaitable<Outcome> run(BenchContext context, const BenchServeCore& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchFetchCore& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchFetchSparse& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchServeLive& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchFetchLive& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchLocalAppend& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchServeDrive& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchFetchDrive& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchLocalDrive& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchServeMany& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchFetchMany& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchFetchIdle& verb);
boost::asio::awaitable<Outcome> run(BenchContext context, const BenchLocalBee& verb);

}  // namespace sheaf::peer_node
