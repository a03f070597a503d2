#include "engine/peer_node/exit_code.hpp"

#include <csignal>
#include <string>

#include <doctest/doctest.h>

#include "engine/peer_node/commands/run.hpp"
#include "sheaf/engine/error.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf::peer_node {
namespace {

TEST_CASE("each kind of failure has the exit code of the manual") {
  const std::pair<Error, int> cases[] = {
      {EngineErrc::not_found, 3},
      {EngineErrc::out_of_range, 3},
      {EngineErrc::not_available, 6},
      {EngineErrc::no_peer, 6},
      {EngineErrc::not_writable, 5},
      {EngineErrc::refused, 5},
      {EngineErrc::uncertain, 5},
      {EngineErrc::frozen, 4},
      {EngineErrc::exists, 1},
      {StorageErrc::not_found, 3},
      {StorageErrc::damaged, 4},
      {StorageErrc::newer_format, 4},
      {StorageErrc::full, 1},
      {StorageErrc::poisoned, 1},
      {ProtocolErrc::invalid_proof, 4},
      {ProtocolErrc::invalid_signature, 4},
      {ProtocolErrc::handshake_failed, 6},
      {NetErrc::timed_out, 6},
      {NetErrc::ended, 6},
      {NetErrc::refused, 6},
      {NetErrc::unreachable, 6},
      {NetErrc::name_not_found, 6},
      {NetErrc::bad_address, 2},
      {NetErrc::closed, 1},
      {Error{ECONNREFUSED, boost::system::system_category()}, 6},
      {Error{ECONNRESET, boost::system::system_category()}, 6},
      {Error{EPIPE, boost::system::system_category()}, 141},
      {Error{ENOSPC, boost::system::system_category()}, 1},
      {Error{EADDRINUSE, boost::system::system_category()}, 1},
  };
  for (const auto& [error, code] : cases) {
    const std::string message = error.message();
    CAPTURE(message);
    CHECK(exit_code_of(error) == code);
  }
}

TEST_CASE("every error of ours has a code of the table") {
  const auto in_table = [](int code) { return code >= 1 && code <= 6; };
  for (int value = 1; value <= static_cast<int>(EngineErrc::uncertain); ++value)
    CHECK(in_table(exit_code_of(Error{value, engine_category()})));
  for (int value = 1; value <= static_cast<int>(StorageErrc::exists); ++value)
    CHECK(in_table(exit_code_of(Error{value, storage_category()})));
  for (int value = 1; value <= static_cast<int>(ProtocolErrc::malformed_proof); ++value)
    CHECK(in_table(exit_code_of(Error{value, protocol_category()})));
  for (int value = 1; value <= static_cast<int>(NetErrc::closed); ++value)
    CHECK(in_table(exit_code_of(Error{value, net_category()})));
}

TEST_CASE("a session that ended early was refused, bad, or went away") {
  for (std::size_t value = 0; value < session_end_count; ++value) {
    const int code = exit_code_of(static_cast<SessionEnd>(value));
    CHECK((code == 4 || code == 5 || code == 6));
  }
  CHECK(exit_code_of(SessionEnd::refused_key) == 5);
  CHECK(exit_code_of(SessionEnd::invalid_proof) == 4);
  CHECK(exit_code_of(SessionEnd::truncated) == 6);
  CHECK(exit_code_of(SessionEnd::remote_ended) == 6);
}

TEST_CASE("a failure names what it is about, but a closed stdout is silent") {
  CHECK(failed(EngineErrc::frozen, "log").reason.starts_with("log: "));
  CHECK(failed(EngineErrc::wrong_key, "log").reason ==
        "log: no archive, or encrypted with a key that is not here");
  CHECK(failed(Error{EPIPE, boost::system::system_category()}, "stdout").reason.empty());
}

TEST_CASE("a signal ends an endless command with 0 and any other with 128 and its number") {
  const CommandTraits endless{.endless = true};
  const CommandTraits plain;
  const Stop none;
  const Stop interrupted{Stop::Why::signal, SIGINT};
  const Stop terminated{Stop::Why::signal, SIGTERM};
  CHECK(code_when_stopped(6, plain, none) == 6);
  CHECK(code_when_stopped(1, plain, interrupted) == 130);
  CHECK(code_when_stopped(1, plain, terminated) == 143);
  CHECK(code_when_stopped(0, plain, interrupted) == 0);
  CHECK(code_when_stopped(1, endless, interrupted) == 0);
  CHECK(code_when_stopped(141, endless, interrupted) == 141);
}

}  // namespace
}  // namespace sheaf::peer_node
