// A value that names its stores: two labelled ones, and a third for whatever names none.
//
// Prints where each value lies. Build it against sheaf::sheaf.
#include <cstdio>
#include <sheaf/storage/memory_backend.hpp>
#include <sheaf/storage/router.hpp>
#include <string>
#include <string_view>

namespace {

// "a,b: hello" goes to the stores a and b. Labels that do not exist are not asked for.
class NamesItsStores final : public sheaf::Mapper {
 public:
  std::vector<std::string> labels(sheaf::Bytes value, const sheaf::Traits&) override {
    const std::string_view text = sheaf::as_text(value);
    const std::string_view names = text.substr(0, text.find(':'));
    std::vector<std::string> out;
    for (const std::string label : {"a", "b"})
      if (names.find(label) != std::string_view::npos) out.push_back(label);
    return out;
  }
  std::vector<std::string> targets() const override { return {"a", "b"}; }
};

}  // namespace

int main() {
  sheaf::RouterOptions options;
  options.root.owned = sheaf::memory_backend();  // leveldb_backend({.folder = "root"}) keeps it on disk
  for (const char* label : {"a", "b", "fallback"})
    options.stores.push_back({.label = label, .owned = sheaf::memory_backend()});
  options.mapper = std::make_unique<NamesItsStores>();
  options.fallback = "fallback";
  const auto store = sheaf::router(std::move(options));

  if (!store->open()) return 1;
  const auto put = [&](std::string_view key, std::string_view value) {
    return store->put(sheaf::as_bytes(key), sheaf::as_bytes(value), {}, sheaf::Durable::yes).has_value();
  };
  if (!put("hello", "a,b: HELLO") || !put("goodbye", ": GOODBYE")) return 1;

  auto entries = store->entries({});
  if (!entries) return 1;
  while ((*entries)->next().value()) {
    std::string line(sheaf::as_text((*entries)->key()));
    line += " in";
    for (const std::string& label : (*entries)->stores()) line += " " + label;
    std::printf("%s\n", line.c_str());
  }
}
