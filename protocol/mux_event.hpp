// What the mux tells its owner. Ids and rules: docs/wire.md, Mux.
//
// Views live until the next call of next_event(), receive() or on_time(); commands leave them alone.
#pragma once

#include <string_view>
#include <variant>

#include "protocol/channel_ids.hpp"
#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/session_end.hpp"

namespace sheaf {

// The other side opened a channel that we have not: answer with open() of the same identity, or reject().
// Until then its messages are parked. `protocol` is not checked to be UTF-8; the alias "hypercore" is shown
// as "hypercore/alpha".
struct OpenRequested {
  OpenTicket ticket;
  std::string_view protocol;
  Bytes id;
  Bytes handshake;
};
// A pending open needs no decision any more: it grew too old, was closed again, or another one of its
// identity was accepted. It has been rejected.
struct OpenWithdrawn {
  OpenTicket ticket;
};
// Both sides have opened it. Messages that were parked follow before anything else is read.
struct ChannelOpened {
  LocalId channel;
  Bytes handshake;  // the other side's
};
struct ChannelMessage {
  LocalId channel;
  std::uint64_t type;
  Bytes body;
};
// The channel is gone and its id free: the other side closed it, or refused to open it.
struct ChannelClosed {
  LocalId channel;
  bool rejected;
};
struct MuxFailed {
  SessionEnd reason;
};
using MuxEvent =
    std::variant<OpenRequested, OpenWithdrawn, ChannelOpened, ChannelMessage, ChannelClosed, MuxFailed>;

}  // namespace sheaf
