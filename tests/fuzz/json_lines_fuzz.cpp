// F21: lines of JSON that commands take: operations of the value store, and entries as list --json prints
// them. However the input was cut on its way, its lines are the same; what is read from one is what is read
// again from the line that prints it.
#include <string>

#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/commands/line_splitter.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/store_batch.hpp"
#include "engine/peer_node/commands/value_json.hpp"
#include "sheaf/storage/value_keys.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using namespace sheaf::peer_node;
using fuzz::Choices;
using fuzz::expect;

namespace {

// Cut where the choices say; nothing where a line is longer than allowed.
std::optional<std::vector<Buffer>> lines_of(Bytes text, Choices cuts, std::size_t most_bytes) {
  LineSplitter splitter(most_bytes);
  std::vector<Buffer> lines;
  while (!text.empty()) {
    const std::size_t step = std::min<std::size_t>(text.size(), 1 + cuts.below(256));
    if (!splitter.feed(text.first(step), lines)) return std::nullopt;
    text = text.subspan(step);
  }
  splitter.finish(lines);
  return lines;
}

std::string printed(const Batch::Operation& operation) {
  const bool put = operation.kind == Batch::Kind::put;
  Json json = {{"type", put ? "put" : "del"}};
  const auto key = key_of_value(operation.key);
  expect(key.has_value() && !key->empty() && key->size() <= value_key_bytes_most);
  add_bytes(json, "key", *key);
  if (put) add_bytes(json, "value", operation.value);
  return to_line(json);
}

void check_operation(Bytes line) {
  Batch batch;
  if (const auto wrong = add_operation(batch, line)) {
    expect(batch.empty() && !wrong->empty());
    return;
  }
  expect(batch.size() == 1);
  const std::string text = printed(batch[0]);
  expect(!add_operation(batch, as_bytes(text)) && batch.size() == 2);
  expect(printed(batch[1]) == text);
}

void check_entry(const std::string& line) {
  const auto ref = parse_entry_ref(line);
  if (!ref) return;
  if (!ref->link.empty()) expect(is_link(ref->link) && link_digits(ref->link) == ref->link);
  if (line.starts_with('{')) {
    Json json = {{"name", ref->name}};
    if (!ref->link.empty()) json["link"] = ref->link;
    expect(parse_entry_ref(to_line(json)) == ref);
  } else if (!ref->link.empty()) {
    expect(parse_entry_ref(ref->name + "@" + ref->link) == ref);
  } else {
    expect(ref->name == line);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  const std::size_t most_bytes = 1 + choices.below(1 << 16);
  const Choices cuts(data, std::min<std::size_t>(size, 64));
  const Bytes text = choices.rest();
  const auto lines = lines_of(text, cuts, most_bytes);
  expect(lines == lines_of(text, Choices(nullptr, 0), most_bytes));
  if (!lines) return 0;
  Buffer joined;
  for (const Buffer& line : *lines) {
    expect(line.size() <= most_bytes);
    append(joined, line);
    joined.push_back(std::byte{'\n'});
    check_operation(line);
    check_entry(std::string(as_text(line)));
  }
  // What lacks a newline at its end gets one.
  if (text.empty() || text.back() == std::byte{'\n'})
    expect(joined == to_buffer(text));
  else
    expect(joined.size() == text.size() + 1 &&
           to_buffer(Bytes(joined).first(text.size())) == to_buffer(text));
  return 0;
}
