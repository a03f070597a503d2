// F18: what the router reads back from its stores decodes, or is damaged; what decodes is written the same
// again.
#include "storage/router_records.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using namespace sheaf::router_records;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(reinterpret_cast<const std::byte*>(data), size);
  if (const auto entry = decode_entry(input)) {
    if (entry->pointer) {
      const Buffer again = encode_pointer(*entry->pointer);
      const auto twice = decode_entry(again);
      fuzz::expect(twice && twice->pointer && twice->pointer->version == entry->pointer->version &&
                   twice->pointer->length == entry->pointer->length &&
                   twice->pointer->checksum == entry->pointer->checksum &&
                   equal(twice->pointer->salt.bytes(), entry->pointer->salt.bytes()) &&
                   twice->pointer->recorded == entry->pointer->recorded &&
                   twice->pointer->block == entry->pointer->block &&
                   twice->pointer->reversed == entry->pointer->reversed &&
                   twice->pointer->copies == entry->pointer->copies && again.size() <= input.size());
    } else {
      fuzz::expect(entry->inline_value.size() + 1 == input.size());
    }
  }
  if (const auto record = decode_copy_record(input)) {
    const auto twice =
        decode_copy_record(encode_copy_record(record->outer_key, record->length, record->checksum));
    fuzz::expect(twice && twice->outer_key == record->outer_key && twice->length == record->length &&
                 twice->checksum == record->checksum);
  }
  if (const auto journal = decode_journal(input)) {
    const auto twice = decode_journal(encode_journal(*journal));
    fuzz::expect(twice && twice->verify == journal->verify && twice->before.size() == journal->before.size());
  }
  if (const auto remade = decode_remade(input)) {
    const auto twice = decode_remade(encode_remade(*remade));
    fuzz::expect(twice && twice->store == remade->store && twice->name == remade->name &&
                 twice->copies == remade->copies && twice->values == remade->values);
  }
  if (const auto name = name_of_copy(input)) {
    Pointer pointer;
    pointer.version = name->version;
    pointer.block = name->kind == CopyName::Kind::block;
    pointer.checksum = name->checksum;
    pointer.salt = name->salt;
    const Buffer again = name->kind == CopyName::Kind::record ? copy_record_key(name->version, name->old_copy)
                                                              : copy_key(pointer, {}, name->outer_key);
    fuzz::expect(equal(again, input) && equal(Bytes(again).first(10), first_name(name->kind, name->version)));
  }
  if (const auto version = version_of_old_copy(input))
    fuzz::expect(*version >> 56 == 0 && input.size() == 16);
  (void)decode_u64(input);
  return 0;
}
