// Keys as people write them.
#include "sheaf/protocol/key_text.hpp"

#include <doctest/doctest.h>

using namespace sheaf;

namespace {

// Made by hypercore-id-encoding 1.3.0.
struct Row {
  const char* hex;
  const char* z_base_32;
};
const Row rows[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000",
     "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "999999999999999999999999999999999999999999999999999o"},
    {"0b30557a9fc4e90e33587da2c7ec11365b80a5caef14395e83a8cdf2173c6186",
     "bcafk6w9auwohc4axstcx5ytg3pabjqk7hkd1zwdidg9rf3hcgdy"},
    {"c82d92f75cc1268bf055ba1f84e94eb3187de247ac1176db40a50a6fd4399e03",
     "3ys3f74haruezhnizexaj4kqscc85a18ioezps4ywwfg9ib3uabo"},
};

}  // namespace

TEST_CASE("a key is read from hex, z-base-32 and links, and is the same key each time") {
  for (const auto& row : rows) {
    CAPTURE(row.hex);
    const auto key = key_from_text<CoreKey>(row.hex);
    REQUIRE(key.has_value());
    CHECK(to_string(*key) == row.hex);
    CHECK(to_z_base_32(key->bytes()) == row.z_base_32);
    CHECK(key_from_text<CoreKey>(row.z_base_32) == key);
    CHECK(key_from_text<CoreKey>(std::string("pear://") + row.z_base_32) == key);
    CHECK(key_from_text<CoreKey>(std::string("pear://") + row.hex + "/any/thing") == key);
  }
}

TEST_CASE("hex is read in either case") {
  std::string upper = rows[2].hex;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  CHECK(key_from_text<CoreKey>(upper) == key_from_text<CoreKey>(rows[2].hex));
}

TEST_CASE("what is not exactly a key is refused") {
  const std::string hex = rows[2].hex, z = rows[2].z_base_32;
  const std::string texts[] = {"",
                               "pear://",
                               "pear:///",
                               "pear://0.0." + z,
                               "pear:" + z,
                               hex.substr(1),
                               hex + "0",
                               "g" + hex.substr(1),
                               z.substr(1),
                               z + "y",
                               "l" + z.substr(1),
                               "v" + z.substr(1),
                               "Y" + z.substr(1),
                               " " + z.substr(1),
                               z.substr(0, 51) + "b",
                               std::string(64, '\0'),
                               std::string(52, '\xff')};
  for (const auto& text : texts) {
    CAPTURE(text);
    CHECK(!key_from_text<CoreKey>(text));
  }
}

TEST_CASE("z-base-32 of any length ends in a digit filled with zeros") {
  CHECK(to_z_base_32({}) == "");
  const std::byte bytes[] = {std::byte{0xff}, std::byte{0x00}};
  CHECK(to_z_base_32(Bytes(bytes).first(1)) == "9h");
  CHECK(to_z_base_32(bytes) == "9hyy");
}
