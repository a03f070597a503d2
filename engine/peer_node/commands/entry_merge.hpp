// The entries of several archives as one list: by name, then by link.
//
// Holds one stream for each archive. What is not here of an archive, or cannot be read, ends its part of the
// list and is noted, the others go on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/peer_node/commands/context.hpp"
#include "sheaf/engine/bundle.hpp"

namespace sheaf::peer_node {

struct MergedEntry {
  Entry entry;
  std::size_t archive = 0;  // which of the given ones has it
};

class EntryMerge {
 public:
  // What is at or below the prefix. The archives outlive it. With `from` peers, each step waits for at most
  // --timeout.
  EntryMerge(CommandContext& context, std::vector<Archive>& archives, std::string prefix, Core::From from);

  // Nothing at the end. After an error, at() says of which archive it was.
  boost::asio::awaitable<Result<std::optional<MergedEntry>>> next();
  const CoreKey& at() const { return at_; }

  // Archives of which entries were left out, as far as it has come.
  const std::vector<BundleList::Incomplete>& incomplete() const { return incomplete_; }
  // Entries that were left out, because what the tree says of them is none.
  std::uint64_t unreadable() const { return unreadable_; }

 private:
  struct Source {
    EntryStream stream;
    std::optional<Entry> head;
    CoreKey link;
    std::size_t archive;
  };
  static bool comes_after(const Source& a, const Source& b);
  boost::asio::awaitable<Result<void>> begin();
  boost::asio::awaitable<Result<void>> open(std::size_t archive);
  boost::asio::awaitable<Result<void>> advance(Source source);
  template <class T>
  boost::asio::awaitable<Result<T>> in_time(boost::asio::awaitable<Result<T>> work);
  // No error where the others can go on.
  Result<void> note(const Error& error, const CoreKey& link);

  CommandContext& context_;
  std::vector<Archive>& archives_;
  std::string prefix_;
  Core::From from_;
  bool begun_ = false;
  std::vector<Source> sources_;  // a heap, the next one at its top
  CoreKey at_;
  std::vector<BundleList::Incomplete> incomplete_;
  std::uint64_t unreadable_ = 0;
};

}  // namespace sheaf::peer_node
