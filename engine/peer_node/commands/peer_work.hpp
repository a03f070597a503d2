// Work that needs a peer: on one that was named for it, or on those that the node has anyway.
#pragma once

#include <optional>

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// Runs `work` while a session with `peer` lasts; with no peer, just runs it. When the session does not come
// about or ends before the work does, the work is cancelled and the session's ending is the outcome.
boost::asio::awaitable<Outcome> with_peer(CommandContext& context, const std::optional<Address>& peer,
                                          boost::asio::awaitable<Outcome> work);

// Ends once a session has an open channel for the core, NetErrc::timed_out after --timeout.
boost::asio::awaitable<Result<void>> wait_for_channel(CommandContext& context, Core& core);

// Where to look for what may be missing here: at the peers, if one of them opened a channel when it was asked
// for news, for at most --timeout; else only here, since there is nobody to wait for. Nobody is asked where
// all is here.
boost::asio::awaitable<Result<Core::From>> where_to_look(CommandContext& context, Core& core);
boost::asio::awaitable<Result<Core::From>> where_to_look(CommandContext& context, Archive& archive);

// Learns the core's length from its peers, and fetches every block of it. NetErrc::timed_out when for
// --timeout nothing arrived.
boost::asio::awaitable<Result<void>> download_all(CommandContext& context, Core& core);

// Fetches these blocks of it; ends in the same way.
boost::asio::awaitable<Result<void>> download(CommandContext& context, Core& core, BlockRange blocks);

// Dials, and replicates as Node::connect does; NetErrc::timed_out when there is no session after --timeout.
boost::asio::awaitable<Result<SessionSummary>> connect_in_time(CommandContext& context, const Address& peer,
                                                               Until until);

// Tells the user, on stderr, what is missing after a session that was complete: here, there, or because the
// peer would not have it.
boost::asio::awaitable<void> say_what_lacks(CommandContext& context, Io& io, const SessionSummary& ended,
                                            std::string name);

// What is not to be mended by meeting peers again: a core that takes nothing more. The first of those here.
boost::asio::awaitable<Outcome> look_for_stopped(CommandContext& context);
Outcome frozen(const CoreKey& core);

// What a session that ended comes to for the shell.
Outcome outcome_of(const Result<SessionSummary>& ended, const std::string& peer);

}  // namespace sheaf::peer_node
