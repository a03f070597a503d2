// RocksDB has kept LevelDB's calls under names of its own: what a single engine is beside its settings, once
// for both.
#pragma once

#include <string>

#include "engine/peer_node/bench/single_engine.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf::peer_node {

// `Settings` has the options to open with, and keeps what they point to.
template <class Db, class Slice, class Settings>
class SingleEngineOf final : public SingleEngine {
 public:
  static Result<std::unique_ptr<SingleEngine>> open(const std::filesystem::path& folder) {
    auto engine = std::make_unique<SingleEngineOf>();
    Db* db = nullptr;
    const auto status = Db::Open(engine->settings_.options, folder.string(), &db);
    engine->db_.reset(db);
    if (auto opened = result(status); !opened) return opened.error();
    return std::unique_ptr<SingleEngine>(std::move(engine));
  }

  Result<void> put(Bytes key, Bytes value) override { return result(db_->Put({}, slice(key), slice(value))); }
  Result<void> get(Bytes key, Buffer& out) override {
    const auto status = db_->Get({}, slice(key), &value_);
    const Bytes value = as_bytes(value_);
    out.assign(value.begin(), value.end());
    return result(status);
  }
  Result<void> del(Bytes key) override { return result(db_->Delete({}, slice(key))); }

 private:
  static Slice slice(Bytes bytes) {
    const auto text = as_text(bytes);
    return {text.data(), text.size()};
  }
  template <class Status>
  static Result<void> result(const Status& status) {
    if (status.ok()) return {};
    return status.IsNotFound() ? StorageErrc::not_found : StorageErrc::io_error;
  }

  const Settings settings_{};
  std::unique_ptr<Db> db_;
  std::string value_;
};

}  // namespace sheaf::peer_node
