#include "engine/peer_node/handover.hpp"

#include <doctest/doctest.h>

#include "tests/peer_node/support.hpp"

namespace sheaf::peer_node {
namespace {

Handover example() {
  Handover handover;
  handover.arguments = {"core", "append", "log", "", std::string(1000, 'x')};
  handover.around = test::plain_surroundings();
  handover.around.file_mask = 027;
  handover.around.environment["SHEAF_DIR"] = "/a=b";
  return handover;
}

Buffer body_of(const Handover& handover) {
  const Buffer frame = encode_handover(handover).value();
  return to_buffer(Bytes(frame).subspan(handover_head_bytes));
}

TEST_CASE("a handover arrives as it was sent") {
  const Buffer frame = encode_handover(example()).value();
  const auto size = body_size_of(Bytes(frame).first(handover_head_bytes));
  REQUIRE(size == frame.size() - handover_head_bytes);
  CHECK(decode_handover(Bytes(frame).subspan(handover_head_bytes)) == example());
}

TEST_CASE("a handover that is cut anywhere, or has more, is refused") {
  const Buffer body = body_of(example());
  for (std::size_t size = 0; size < body.size(); ++size) CHECK(!decode_handover(Bytes(body).first(size)));
  Buffer more = body;
  more.push_back(std::byte{0});
  CHECK(!decode_handover(more));
}

TEST_CASE("no changed byte of a handover reads beyond it") {
  const Buffer body = body_of(example());
  for (std::size_t at = 0; at < body.size(); ++at) {
    for (const int value : {0, 1, 127, 255}) {
      Buffer changed = body;
      changed[at] = static_cast<std::byte>(value);
      // Refused, or something whole: reading past the end would be found by the sanitizers and the library.
      if (const auto handover = decode_handover(changed))
        CHECK(handover->around.working_folder.is_absolute());
    }
  }
}

TEST_CASE("texts with a zero inside, relative folders and impossible masks are refused") {
  Handover handover = example();
  handover.arguments[0] = std::string("a\0b", 3);
  CHECK(!decode_handover(body_of(handover)));
  handover = example();
  handover.around.working_folder = "relative";
  CHECK(!decode_handover(body_of(handover)));
  handover = example();
  handover.around.file_mask = 010000;
  CHECK(!decode_handover(body_of(handover)));
}

TEST_CASE("what is beyond the bounds is neither sent nor accepted") {
  Handover handover = example();
  handover.arguments.assign(handover_most_texts + 1, "x");
  CHECK(!encode_handover(handover));
  handover.arguments = {std::string(handover_body_most_bytes, 'x')};
  CHECK(!encode_handover(handover));

  Buffer head = encode_handover(example()).value();
  head.resize(handover_head_bytes);
  Buffer other = head;
  other[0] = std::byte{'X'};
  CHECK(!body_size_of(other));
  other = head;
  other[4] = std::byte{9};  // another version
  CHECK(!body_size_of(other));
  other = head;
  other[11] = std::byte{0xff};  // four gigabytes
  CHECK(!body_size_of(other));
  CHECK(!body_size_of(Bytes(head).first(11)));
}

TEST_CASE("notices arrive as they were sent, and unknown ones are refused") {
  for (const Notice notice :
       {Notice{Notice::Kind::accepted}, Notice{Notice::Kind::exited, 141}, Notice{Notice::Kind::exited, -1},
        Notice{Notice::Kind::released}, Notice{Notice::Kind::signal, 15}})
    CHECK(decode_notice(encode_notice(notice)) == notice);
  std::array<std::byte, notice_bytes> unknown{};
  CHECK(!decode_notice(unknown));
  unknown[0] = std::byte{5};
  CHECK(!decode_notice(unknown));
  CHECK(!decode_notice(Bytes(unknown).first(7)));
}

}  // namespace
}  // namespace sheaf::peer_node
