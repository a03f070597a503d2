#include "tests/crash/history.hpp"

#include <cstdlib>

#include "protocol/authority.hpp"
#include "protocol/merkle.hpp"
#include "protocol/signables.hpp"
#include "sheaf/protocol/key_text.hpp"
#include "sheaf/storage/folder_store.hpp"
#include "storage/core_store.hpp"
#include "storage/core_table.hpp"

namespace sheaf::test {
namespace {

namespace fs = std::filesystem;

fs::path fast_folder() {
  std::error_code none;
  if (std::getenv("TMPDIR") == nullptr && fs::is_directory("/dev/shm", none)) return "/dev/shm";
  return fs::temp_directory_path();
}

Result<std::optional<CoreRecord>> find(CoreTable& table, const std::string& key_or_name) {
  if (const auto key = key_from_text<CoreKey>(key_or_name)) return table.find(discovery_key(*key));
  return table.find(std::string_view(key_or_name));
}

}  // namespace

CrashFolder::CrashFolder() : ScratchFolder(fast_folder()) {}

std::optional<Stored> read_stored(const std::string& folder, const std::string& key_or_name) {
  std::string trouble;
  const auto opened = open_folder_store(folder, false, {}, nullptr, trouble);
  if (!opened) {
    REQUIRE(opened.error() == make_error_code(StorageErrc::not_found));
    return std::nullopt;
  }
  Backend* const root = opened->get();
  CoreTable table(*root, *root, "");
  REQUIRE(table.open().has_value());
  const auto record = find(table, key_or_name);
  REQUIRE(record.has_value());
  if (!*record) return std::nullopt;

  CoreStore store(*root, *root, (*record)->id);
  const auto contents = store.open();
  REQUIRE(contents.has_value());
  Stored out;
  if (!contents->head) return out;
  out.head = *contents->head;
  out.held = contents->held.value;
  if (out.head.length.value > 0) {
    REQUIRE(contents->manifest.has_value());
    const auto manifest = decode_manifest(*contents->manifest);
    REQUIRE(manifest.has_value());
    REQUIRE(verify_head(out.head, *manifest, (*record)->key).has_value());
  }
  out.blocks.resize(out.head.length.value);
  const auto pages = store.bitfield();
  REQUIRE(pages.has_value());
  std::uint64_t counted = 0;
  for (const auto& [page, bytes] : *pages)
    for (std::uint64_t bit = 0; bit < bytes.size() * 8; ++bit) {
      if ((std::to_integer<unsigned>(bytes[bit / 8]) >> (bit % 8) & 1u) == 0) continue;
      const std::uint64_t index = page * BitfieldPage::bits + bit;
      const bool good = index < out.blocks.size() && store.check(BlockIndex{index}) &&
                        store.block(BlockIndex{index}, out.blocks[index].emplace());
      if (!good) FAIL("block ", index, " of ", out.blocks.size(), " is marked as held and is not there");
      ++counted;
    }
  REQUIRE(counted == out.held);
  return out;
}

void Written::append(const std::vector<Buffer>& blocks) {
  const std::vector<Bytes> views(blocks.begin(), blocks.end());
  const auto appended = append_blocks(head_, views);
  REQUIRE(appended.has_value());
  head_ = appended->head;
  blocks_.insert(blocks_.end(), blocks.begin(), blocks.end());
}

void Written::truncate(std::uint64_t length) {
  blocks_.resize(length);
  const std::vector<Bytes> views(blocks_.begin(), blocks_.end());
  const Fork fork{head_.fork.value + 1};
  const auto left = append_blocks({}, views);
  REQUIRE(left.has_value());
  head_ = left->head;
  head_.fork = fork;
}

void Written::apply(const WriterStep& step) {
  if (step.truncate)
    truncate(step.length);
  else
    append(step.blocks);
}

bool Written::is(const Stored& stored) const {
  return stored.head.fork == head_.fork && stored.head.length.value == length() && stored.held == length() &&
         tree_hash(stored.head) == tree_hash(head_) && begins_with(stored);
}

bool Written::begins_with(const Stored& stored) const {
  if (stored.blocks.size() > blocks_.size() || stored.head.fork != head_.fork) return false;
  for (std::size_t i = 0; i < stored.blocks.size(); ++i)
    if (stored.blocks[i] && !equal(*stored.blocks[i], blocks_[i])) return false;
  return true;
}

void Ledger::note(const TreeHead& head) {
  if (head.length.value == 0) return;
  const Hash tree = tree_hash(head);
  const auto [at, is_new] = trees_.try_emplace({head.fork.value, head.length.value}, tree);
  if (at->second != tree) FAIL("two trees for fork ", head.fork.value, ", length ", head.length.value);
}

bool goes_on(const TreeHead& before, const TreeHead& after) {
  if (after.fork.value != before.fork.value) return after.fork.value > before.fork.value;
  return after.length.value >= before.length.value;
}

}  // namespace sheaf::test
