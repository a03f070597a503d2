// What becomes of a command that comes to a folder which another one holds.
#include "engine/peer_node/holder.hpp"

#include <fcntl.h>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include "engine/peer_node/options.hpp"
#include "sheaf/engine/environment.hpp"

namespace sheaf::peer_node {
namespace {

using Answer = CommandHost::Answer;

Surroundings around() {
  Surroundings out;
  out.working_folder = "/";
  out.environment["SHEAF_DIR"] = "/nowhere";
  return out;
}

Command command(const std::vector<std::string>& words) {
  const Parsed parsed = parse_arguments(words, around());
  REQUIRE(std::holds_alternative<Command>(parsed));
  return std::get<Command>(parsed);
}

TEST_CASE("a command is run by who holds the folder, or waits for it") {
  const std::vector<std::string> brief = {"core", "info", "log"}, serve = {"serve"}, sync = {"sync"},
                                 live_sync = {"sync", "--live"}, connect = {"connect", "tcp://localhost:1"};
  struct Row {
    std::vector<std::string> holds;
    std::vector<std::string> comes;
    Answer answer;
  };
  const Row rows[] = {
      {brief, brief, Answer::run},
      {serve, brief, Answer::run},
      {live_sync, brief, Answer::run},
      // A short command ends when it is done, whatever else the folder is wanted for.
      {brief, serve, Answer::decline},
      {brief, connect, Answer::decline},
      {brief, sync, Answer::decline},
      {brief, live_sync, Answer::decline},
      // Sessions stay with a holder that lasts; those that can are begun again elsewhere when it ends.
      {serve, connect, Answer::run_while},
      {connect, serve, Answer::run_while},
      {live_sync, connect, Answer::run_while},
      {serve, sync, Answer::run},
      {serve, {"nonsense"}, Answer::run},
  };
  boost::asio::io_context loop;
  SystemEnvironment environment(loop.get_executor());
  for (const Row& row : rows) {
    CAPTURE(row.holds.front());
    CAPTURE(row.comes.front());
    StandardDescriptors nowhere;
    for (Descriptor* one : {&nowhere.in, &nowhere.out, &nowhere.err})
      *one = Descriptor(::open("/dev/null", O_RDWR | O_CLOEXEC));
    Io io(std::move(nowhere), around());
    Holder holder(environment.get(), command(row.holds), Config{}, io);
    CHECK(holder.consider(Handover{row.comes, around()}) == row.answer);
  }
}

}  // namespace
}  // namespace sheaf::peer_node
