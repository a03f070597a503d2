#include "sheaf/storage/batch.hpp"

#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

namespace sheaf::test {

TEST_CASE(
    "a batch keeps what was put and deleted in order, copies where it was asked to, and lends the rest") {
  Batch batch;
  std::string lent = "lent";
  {
    std::string key = "a key that goes", copied = "copied";
    batch.put(as_bytes(key), as_bytes(lent));
    batch.put_copy(as_bytes(key), as_bytes(copied), {.role = Traits::Role::block, .core = CoreId{7}});
    const Bytes parts_of_key[] = {as_bytes("a "), {}, as_bytes("key")};
    const Bytes parts_of_value[] = {as_bytes(copied), as_bytes(" and "), as_bytes("joined")};
    batch.put_joined(parts_of_key, parts_of_value, {.fresh = true});
    batch.put_joined(parts_of_key, {});
    batch.del(as_bytes(key));
    key.assign(key.size(), '-');
    copied.assign(copied.size(), '-');
  }
  lent[0] = 'L';

  REQUIRE(batch.size() == 5);
  CHECK(as_text(batch[0].key) == "a key that goes");
  CHECK(as_text(batch[0].value) == "Lent");
  CHECK(as_text(batch[1].value) == "copied");
  CHECK(batch[1].traits.role == Traits::Role::block);
  CHECK(batch[1].traits.core == CoreId{7});
  CHECK(batch[1].traits.size == 6);
  CHECK(as_text(batch[2].key) == "a key");
  CHECK(as_text(batch[2].value) == "copied and joined");
  CHECK(batch[2].traits.fresh);
  CHECK(batch[2].traits.core == std::nullopt);
  CHECK(as_text(batch[3].key) == "a key");
  CHECK(batch[3].value.empty());
  CHECK(batch[4].kind == Batch::Kind::del);
  CHECK(as_text(batch[4].key) == "a key that goes");
  CHECK(batch.bytes() == 3 * 15 + 2 * 5 + 4 + 6 + 17);

  batch.clear();
  CHECK(batch.empty());
  CHECK(batch.bytes() == 0);
}

TEST_CASE("a key without a byte is misuse") {
  Batch batch;
  const Bytes nothing[] = {Bytes{}, Bytes{}};
  CHECK_THROWS_AS(batch.put({}, as_bytes("value")), std::invalid_argument);
  CHECK_THROWS_AS(batch.put_joined(nothing, nothing), std::invalid_argument);
  CHECK_THROWS_AS(batch.del({}), std::invalid_argument);
  CHECK(batch.empty());
}

}  // namespace sheaf::test
