// Who speaks first on a stream that nobody dialled, such as the standard input and output of two processes.
//
// Each side writes the 8 bytes "SHEAF\0\0\1" and 16 random ones before anything else; whose random bytes are
// larger, read as a number with the first byte the highest, is the initiator. A side that was told its role
// writes none of it and begins its handshake: whoever hears the beginning of a handshake takes the other
// role, and an initiator passes over what the other side wrote to agree.
#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>

#include "sheaf/net/byte_stream.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf {

inline constexpr Duration role_agreement_limit = std::chrono::seconds(10);

struct AgreedRole {
  std::unique_ptr<ByteStream> stream;  // the same one, with nothing of the agreement left to be read
  bool initiator = false;
};

// equal_roles when both sides wrote the same, no_agreement when the other side wrote anything else, ended or
// said nothing for 10 s. Cancelling drops the stream.
boost::asio::awaitable<Result<AgreedRole>> agree_on_role(std::unique_ptr<ByteStream> stream,
                                                         RandomSource& random, Timers& timers);

// The same stream for a side whose role was given: what the other side wrote to agree is not read.
std::unique_ptr<ByteStream> without_agreement(std::unique_ptr<ByteStream> stream);

}  // namespace sheaf
