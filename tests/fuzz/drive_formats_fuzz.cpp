// F16: blocks of a stranger's archive: headers, trees, entries, block maps, names.
//
// Oracles: what decodes encodes to what decodes alike; a walk over any tree ends, in order, after at most as
// many keys as there are blocks; what a look-up finds a walk finds too; a normal name is its own normal form
// and never leaves the root; a tree that could be written to still holds what was put.
#include "protocol/archive_keys.hpp"
#include "protocol/bee_writer.hpp"
#include "protocol/blob_id.hpp"
#include "protocol/drive_entry.hpp"
#include "protocol/entry_path.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/support/bee_memory.hpp"

using namespace sheaf;
using fuzz::expect;

namespace {

void header(Bytes bytes) {
  const auto decoded = decode_bee_header(bytes);
  if (!decoded) return;
  const auto again = decode_bee_header(encode(*decoded));
  expect(again.has_value() && *again == *decoded);  // a header survives
}

void entry(Bytes bytes) {
  const auto decoded = decode_drive_entry(bytes);
  if (!decoded) return;
  const auto again = decode_drive_entry(encode(*decoded));
  expect(again.has_value() && *again == *decoded);  // an entry survives
}

void block_map(Bytes bytes) {
  std::vector<MappedBlock> decoded;
  if (!decode_block_map(bytes, decoded)) return;
  std::vector<MappedBlock> again;
  expect(decode_block_map(encode_block_map(decoded), again) && again == decoded);  // a map survives
}

void name(Bytes bytes) {
  const auto path = normal_path(as_text(bytes));
  if (!path) return;
  expect(path->starts_with('/') && normal_path(*path) == *path);  // a normal name is its own normal form
  expect(*path == "/" || !path->ends_with('/'));                  // no slash at the end
  expect((*path + "/").find("/../") == std::string::npos);        // nothing leads up
}

// The input as a core: blocks of up to 255 bytes, each behind its length.
void tree(Bytes bytes) {
  test::BeeMemory bee;
  bee.add_header(drive_header());
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(std::to_integer<std::size_t>(bytes[0]), bytes.size() - 1);
    bee.raw.push_back(to_buffer(bytes.subspan(1, size)));
    bytes = bytes.subspan(1 + size);
  }
  for (const bool reverse : {false, true}) {
    BeeWalk walk(bee.length(), {}, reverse);
    std::optional<Buffer> last;
    std::size_t keys = 0;
    for (;;) {
      const auto next = walk.next(bee);
      if (!next || !*next) break;
      const Bytes key = (*next)->key();
      expect(++keys <= bee.raw.size());  // no more keys than blocks
      if (last) expect(reverse ? as_text(key) < as_text(*last) : as_text(key) > as_text(*last));  // in order
      last = to_buffer(key);
    }
  }
  BeeDiff diff(bee.length(), {bee.length().value / 2}, {});
  for (std::size_t steps = 0;; ++steps) {
    const auto next = diff.next(bee);
    if (!next || !*next) break;
    expect(steps <= 2 * bee.raw.size());  // no more differences than keys of both
  }
  BeeBatch batch(bee, bee.length());
  const Bytes key = as_bytes("m");
  if (!batch.put(key, key)) return;
  const auto got = batch.get(key);
  if (got && *got) expect(equal(*(*got)->value(), key));  // what was put is found
  bee.append(batch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  header(bytes);
  entry(bytes);
  block_map(bytes);
  name(bytes);
  tree(bytes);
  return 0;
}
