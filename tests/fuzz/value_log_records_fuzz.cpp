// What the value log reads back from its files decodes, or is damaged; what decodes is written the same
// again.
#include "storage/value_log_records.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using namespace sheaf::value_log;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(reinterpret_cast<const std::byte*>(data), size);
  const SegmentNumber segment = 1;
  if (size >= group_head_bytes) {
    // The checksum is made to fit, so that what it covers is reached.
    Buffer bytes = to_buffer(input);
    bytes[8] = std::byte{1};
    bytes[9] = bytes[10] = bytes[11] = std::byte{0};
    const Checksum checksum = checksum_of(Bytes(bytes).subspan(Checksum::size));
    std::copy(checksum.value.begin(), checksum.value.end(), bytes.begin());
    const auto head = decode_group_head(segment, Bytes(bytes).first(group_head_bytes));
    if (head)
      if (const auto records = decode_group(*head, bytes))
        fuzz::expect(encode_group(segment, *records) == bytes);
    fuzz::expect(!decode_group_head(2, bytes));
  }
  if (const auto slot = decode_slot(input)) fuzz::expect(encode_slot(*slot) == to_buffer(input));
  if (const auto head = decode_index_head(input)) fuzz::expect(encode_index_head(*head) == to_buffer(input));
  if (const auto space = decode_space(input)) fuzz::expect(encode_space(*space) == to_buffer(input));
  (void)segment_of_key(input);
  return 0;
}
