// F21: what a user may type. Arguments are understood or refused with one of the two codes and a text, and
// they come out of a handover to another process as they went in.
//
// The input's lines are the arguments; those that set a variable of ours are the environment.
#include <string>
#include <vector>

#include "engine/peer_node/exit_code.hpp"
#include "engine/peer_node/handover.hpp"
#include "engine/peer_node/options.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using namespace sheaf::peer_node;
using fuzz::expect;

namespace {

// Requires: what can be encoded.
void check_handover(const Handover& handover) {
  const auto frame = encode_handover(handover);
  if (!frame) return;
  const Bytes whole(*frame);
  const auto body_size = body_size_of(whole.first(handover_head_bytes));
  expect(body_size == whole.size() - handover_head_bytes);
  expect(decode_handover(whole.subspan(handover_head_bytes)) == handover);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Each argument is looked up in every command; more of them show nothing new.
  constexpr std::size_t most_arguments = 64;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (const auto body = decode_handover(as_bytes(rest))) check_handover(*body);

  Handover call;
  call.around.working_folder = "/somewhere";
  call.around.environment["HOME"] = "/home/alice";
  while (!rest.empty() && call.arguments.size() < most_arguments) {
    // No argument of a process holds a zero byte.
    const std::string_view line = rest.substr(0, rest.find_first_of(std::string_view("\n\0", 2)));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::size_t equals = line.find('=');
    if (line.starts_with("SHEAF_") && equals != std::string_view::npos)
      call.around.environment[std::string(line.substr(0, equals))] = line.substr(equals + 1);
    else
      call.arguments.emplace_back(line);
  }
  check_handover(call);

  const Parsed parsed = parse_arguments(call.arguments, call.around);
  if (const auto* said = std::get_if<Said>(&parsed)) {
    expect(said->code == exit_code::done || said->code == exit_code::wrong_usage);
    expect(said->text.ends_with('\n'));
    return 0;
  }
  const Command& command = std::get<Command>(parsed);
  expect(command.global.folder.is_absolute() && command.global.verbosity >= -1 &&
         command.global.verbosity <= 2);
  expect(!command.global.config || command.global.config->is_absolute());
  expect(!command.global.timeout || command.global.timeout->count() > 0);
  (void)traits_of(command.action);
  return 0;
}
