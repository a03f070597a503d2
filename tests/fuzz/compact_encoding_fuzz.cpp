// F1: any bytes through the Reader, in an order that the bytes choose; what was read is written and read
// again.
#include <cstdlib>

#include "protocol/codec.hpp"
#include "protocol/limits.hpp"

using namespace sheaf;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

// A value written must be read back the same, and take all of the bytes written.
template <class Write, class Read>
void round_trip(Write write, Read read) {
  Buffer out;
  Writer writer(out);
  write(writer);
  Reader reader{Bytes(out)};
  check(read(reader));
  check(reader.ok() && reader.at_end());
}

void step(unsigned kind, Reader& reader) {
  const std::size_t before = reader.rest().size();
  switch (kind % 11) {
    case 0: {
      const std::uint64_t value = reader.uint();
      check(value <= max_wire_integer);
      if (reader.ok()) {
        check(before - reader.rest().size() >= uint_size(value));
        round_trip([&](Writer& w) { w.uint(value); }, [&](Reader& r) { return r.uint() == value; });
      }
      break;
    }
    case 1: {
      const Bytes value = reader.buffer();
      check(value.size() <= before);
      if (reader.ok())
        round_trip([&](Writer& w) { w.buffer(value); }, [&](Reader& r) { return equal(r.buffer(), value); });
      break;
    }
    case 2: check(reader.count() <= limits::array_elements && reader.rest().size() <= before); break;
    case 3: check(reader.count(32) * 32 <= before); break;
    case 4: reader.boolean(); break;
    case 5: reader.fixed<Hash>(); break;
    case 6: {
      const std::uint64_t value = reader.u64();
      check(value <= max_wire_integer);
      round_trip([&](Writer& w) { w.u64(value); }, [&](Reader& r) { return r.u64() == value; });
      break;
    }
    case 7: reader.u32(); break;
    case 8: check(reader.u24() <= 0xffffff); break;
    case 9: reader.fixed<Signature>(); break;
    case 10: check(reader.text().size() <= before); break;
  }
  check(reader.rest().size() <= before);
  if (!reader.ok())
    check(reader.at_end() && reader.uint() == 0 && reader.raw(1).empty() && reader.buffer().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(reinterpret_cast<const std::byte*>(data), size);
  const std::size_t order = std::min<std::size_t>(size, 16);
  Reader reader(input.subspan(order));
  for (std::size_t i = 0; i < order; ++i) step(data[i], reader);
  for (unsigned kind = 0; kind < 11; ++kind) {
    Reader fresh(input);
    step(kind, fresh);
  }
  return 0;
}
