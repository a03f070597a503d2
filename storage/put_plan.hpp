// One write of the router while it is made: what each of its operations becomes, and where.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "sheaf/storage/batch.hpp"
#include "storage/router_port.hpp"
#include "storage/router_records.hpp"

namespace sheaf {

// Which operations of a batch count: the last one of each key. State is left to the order of the root's
// batch.
class LastOfEachKey {
 public:
  explicit LastOfEachKey(const Batch& batch);
  bool operator[](std::size_t at) const { return counts_.empty() || counts_[at]; }

 private:
  std::vector<bool> counts_;  // none: all do
};

struct PutPlan {
  // Of a value or block that goes to stores.
  struct Put {
    Batch::Operation operation;
    router_records::Pointer pointer;
    std::vector<RouterPort*> ports;
  };

  PutPlan(const Batch& of, std::uint64_t put_version, Durable put_durable)
      : batch(of),
        version(put_version),
        durable(put_durable),
        copies_durable(put_durable),
        counts(of),
        routes(of.size()) {}

  const Batch& batch;
  const std::uint64_t version;  // 0: of state alone
  const Durable durable;
  Durable copies_durable;
  const LastOfEachKey counts;

  std::vector<std::vector<RouterPort*>> routes;  // of each operation; none: it lies in the root
  bool has_values = false;                       // that go to stores

  router_records::Salt salt{};  // of their copies

  Batch root;
  std::size_t root_bytes = 0;  // about as many as it will have
  std::vector<Put> puts;
  router_records::Journal journal;
  std::size_t journal_bytes = 0;

  std::map<RouterPort*, Batch> copies;
  std::set<RouterPort*> failed;  // which have not taken theirs
};

}  // namespace sheaf
