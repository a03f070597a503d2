// What a command tells the shell: a code from the table that scripts rely on, and one line of reason.
#pragma once

#include <string>

#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/session_end.hpp"

namespace sheaf::peer_node {

namespace exit_code {
inline constexpr int done = 0;
inline constexpr int failed = 1;         // the reason is on stderr
inline constexpr int wrong_usage = 2;    // nothing was tried
inline constexpr int not_found = 3;      // no such core, block or store
inline constexpr int integrity = 4;      // data failed verification, or the store is damaged
inline constexpr int refused = 5;        // by the remote or by a policy
inline constexpr int no_peer = 6;        // none reached, gone too early, or nobody has the block
inline constexpr int signal_base = 128;  // plus the signal's number
inline constexpr int output_closed = 141;
}  // namespace exit_code

// The code for an error of any of our categories or of the system's. Requires: error is one.
int exit_code_of(const Error& error);

// The code for a session that ended before its work was complete.
int exit_code_of(SessionEnd end);

struct Outcome {
  int code = exit_code::done;
  std::string reason;  // one line for stderr; empty when there is nothing to say
};

// "what: the error's words". Nothing is said when it was the reader of our output that went away.
Outcome failed(const Error& error, const std::string& what);
Outcome failed(int code, std::string reason);

}  // namespace sheaf::peer_node
