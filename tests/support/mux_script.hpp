// A mux in a test: frames in as hex, events out as one line of text each, frames out as hex.
#pragma once

#include <string>
#include <vector>

#include "protocol/mux.hpp"
#include "tests/support/vectors.hpp"

namespace sheaf::test {

using Lines = std::vector<std::string>;

// requested #1 p/one id=2222 07 | withdrawn #1 | opened 1 07 | message 1/0 6869 | closed 1 | rejected 1 |
// failed malformed_open
inline std::string line(const MuxEvent& event) {
  struct Spell {
    std::string operator()(const OpenRequested& e) const {
      return "requested #" + std::to_string(e.ticket.value) + " " + std::string(e.protocol) +
             " id=" + to_hex(e.id) + " " + to_hex(e.handshake);
    }
    std::string operator()(const OpenWithdrawn& e) const {
      return "withdrawn #" + std::to_string(e.ticket.value);
    }
    std::string operator()(const ChannelOpened& e) const {
      return "opened " + std::to_string(e.channel.value) + " " + to_hex(e.handshake);
    }
    std::string operator()(const ChannelMessage& e) const {
      return "message " + std::to_string(e.channel.value) + "/" + std::to_string(e.type) + " " +
             to_hex(e.body);
    }
    std::string operator()(const ChannelClosed& e) const {
      return (e.rejected ? "rejected " : "closed ") + std::to_string(e.channel.value);
    }
    std::string operator()(const MuxFailed& e) const { return "failed " + std::string(to_string(e.reason)); }
  };
  return std::visit(Spell{}, event);
}

// Pulls until nothing more comes and nothing more is to do without help.
inline Lines drain(Mux& mux) {
  Lines out;
  do {
    while (const auto event = mux.next_event()) out.push_back(line(*event));
  } while (mux.intake() == Intake::has_more);
  return out;
}

inline Buffer bytes_of(const std::string& hex) { return unhex(nlohmann::json(hex)); }

// Requires: the mux is done with the frame when this returns.
inline Lines hear(Mux& mux, const std::string& hex, Instant now = {}) {
  const Buffer frame = bytes_of(hex);
  mux.receive(frame, now);
  Lines out = drain(mux);
  REQUIRE((mux.intake() == Intake::wants_frame || mux.intake() == Intake::ended));
  return out;
}

// All that the mux wants to say, frame by frame.
inline Lines said(Mux& mux) {
  Lines out;
  while (const auto frame = mux.next_frame()) out.push_back(to_hex(frame->content()));
  return out;
}

inline std::string text(std::string_view value) { return to_hex(as_bytes(value)); }

// An open message as the other side says it: id and handshake in hex.
inline std::string open_frame(std::uint64_t number, std::string_view protocol, const std::string& id = "",
                              const std::string& handshake = "") {
  Buffer out;
  Writer writer(out);
  writer.uint(0);
  writer.uint(1);
  writer.uint(number);
  writer.text(protocol);
  writer.buffer(bytes_of(id));
  writer.raw(bytes_of(handshake));
  return to_hex(out);
}

}  // namespace sheaf::test
