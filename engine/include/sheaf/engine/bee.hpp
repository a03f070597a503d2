// A Hyperbee as an application holds it: keys in order, with values, on one core of this node.
//
// Format: docs/archives.md; what is written here equals hyperbee 2.27 byte for byte, and either reads the
// other's. Keys and values are bytes. Bee is a handle: move-only, cheap, and void once its node is closed
// (calls then answer `closed`). Awaiting and cancelling are as for Core (sheaf/engine/core.hpp); a call that
// has to read waits for blocks that are not here, unless only `here` was asked (then not_available). A tree
// that breaks the form is malformed, wherever it does; a core that begins with no such header, or is
// encrypted with a key that is not here, wrong_key.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/core.hpp"
#include "sheaf/engine/entry.hpp"

namespace sheaf {

class Bee {
 public:
  // A key that is there, its value, and the block that has both.
  struct Entry {
    BlockIndex seq;
    Buffer key;
    std::optional<Buffer> value;  // nothing: it was put with null
    bool operator==(const Entry&) const = default;
  };
  // Which keys, and in which order. An absent bound is none; gt wins over gte, lt over lte.
  struct Range {
    std::optional<Buffer> gt{};
    std::optional<Buffer> gte{};
    std::optional<Buffer> lt{};
    std::optional<Buffer> lte{};
    bool reverse = false;
    std::optional<std::uint64_t> limit{};
    Core::From from = Core::From::peers;
  };
  // What was written: one after another, from the version `after` on.
  struct History {
    Version after{1};
    bool reverse = false;
    std::optional<std::uint64_t> limit{};
    Core::From from = Core::From::peers;
  };
  struct Operation {
    bool put = false;  // else a deletion, which has no value
    Entry entry;
  };
  // A key whose block differs between two versions; nothing on the side that has it not.
  struct Difference {
    std::optional<Entry> left;
    std::optional<Entry> right;
  };

  // Each is pulled: next() gives one after another, then nothing. A stream holds a bounded number of blocks,
  // belongs to one caller at a time, and may be dropped at any point.
  template <class T>
  class Stream {
   public:
    Stream(Stream&&) noexcept = default;
    Stream& operator=(Stream&&) noexcept = default;
    boost::asio::awaitable<Result<std::optional<T>>> next();

   private:
    friend class Bee;
    struct Impl;
    explicit Stream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
    std::shared_ptr<Impl> impl_;  // of this stream alone
  };

  // Puts and deletions that take effect together: one append. They are seen through the batch at once, and by
  // others after flush(). No other writer of the tree gets on from the first change until flush() or the
  // batch's destruction, which drops them. Belongs to one caller at a time.
  class Batch {
   public:
    Batch(Batch&&) noexcept;
    Batch& operator=(Batch&&) noexcept;
    ~Batch();
    boost::asio::awaitable<Result<void>> put(Buffer key, std::optional<Buffer> value);
    // Gives what was there; where nothing was, nothing will be written.
    boost::asio::awaitable<Result<std::optional<Entry>>> del(Buffer key);
    boost::asio::awaitable<Result<std::optional<Entry>>> get(Buffer key);
    // Gives the version that has them all. After an error all still waits.
    boost::asio::awaitable<Result<Version>> flush(Core::Safety safety = Core::Safety::process);

   private:
    friend class Bee;
    struct Impl;
    explicit Batch(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };

  Bee(Bee&&) noexcept;
  Bee& operator=(Bee&&) noexcept;
  ~Bee();

  // Of the core.
  const CoreKey& key() const;

  // The length of the core, as far as the connected peers know it; at least 1, the empty tree. Of a checkout
  // the version that it stands for, once it is there.
  boost::asio::awaitable<Result<Version>> version(Core::From from = Core::From::peers);

  boost::asio::awaitable<Result<std::optional<Entry>>> get(Buffer key, Core::From from = Core::From::peers);
  boost::asio::awaitable<Result<Stream<Entry>>> range(Range range);
  boost::asio::awaitable<Result<Stream<Operation>>> history(History history);
  // What of this version (left) differs from another one (right); subtrees that both share are not read.
  boost::asio::awaitable<Result<Stream<Difference>>> diff(Version right, Range range);

  // The same tree as it was; it takes no writes. out_of_range from calls on a version that is not there.
  Bee checkout(Version version) const;

  // -- Writing: not_writable where the core's secret key is not here, and through a checkout; refused for an
  // archive's db core. Blocks that were appended to the core otherwise make the tree malformed. Each gives
  // the version that it brought about.
  boost::asio::awaitable<Result<Version>> put(Buffer key, std::optional<Buffer> value,
                                              Core::Safety safety = Core::Safety::process);
  // Nothing where the key was not there, and nothing was written.
  boost::asio::awaitable<Result<std::optional<Version>>> del(Buffer key,
                                                             Core::Safety safety = Core::Safety::process);
  Batch batch();

  struct Impl;  // of this library alone
  explicit Bee(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

extern template class Bee::Stream<Bee::Entry>;
extern template class Bee::Stream<Bee::Operation>;
extern template class Bee::Stream<Bee::Difference>;

}  // namespace sheaf
