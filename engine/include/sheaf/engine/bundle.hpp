// The archives that a peer holds as one: it writes exactly one of them and follows the others.
//
// A bundle stands on a node (node.hpp), which replicates, and whose bare cores stay usable as they are.
// Either it opens that node itself, and then close() has to be awaited before it is destroyed; or it is a
// view of one that somebody else opened and closes. Every function may be awaited on any executor.
//
// Entries are named by their name and the key of the archive that has them, their link. not_found for a link
// that is not followed here.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/archive.hpp"
#include "sheaf/engine/node.hpp"

namespace sheaf {

struct BundleListOptions {
  std::string prefix = "/";  // entries at or below this name
  bool live = false;  // after the last entry wait, and give each that is put or comes here from then on
};

// The entries of several archives, in the order of names and then of links; each pulled like the streams of
// archive.hpp. What is not here is not waited for. A live one ends only when it is cancelled or its node
// closes; what it gives after the first pass comes in the order in which it came here.
class BundleList {
 public:
  // Of these archives as they are, checkouts too. A live list also takes in what is followed later, unless
  // `only_these`.
  static boost::asio::awaitable<Result<BundleList>> open(Node& node, std::vector<Archive> archives,
                                                         BundleListOptions options, bool only_these);
  BundleList(BundleList&&) noexcept;
  BundleList& operator=(BundleList&&) noexcept;
  ~BundleList();
  boost::asio::awaitable<Result<std::optional<Entry>>> next();

  // Archives of which entries were left out so far, and why; the others go on.
  struct Incomplete {
    enum class Why {
      nothing_here,  // not even its length is known
      partly_here,
      no_key,     // it is encrypted with a key that is not here, or no archive
      malformed,  // its tree breaks a rule of the format
    };
    CoreKey link{};
    Why why = Why::partly_here;
  };
  // Why an archive is left out that answers with this error; nothing for what ends the whole list.
  static std::optional<Incomplete::Why> why_left_out(const Error& error);
  const std::vector<Incomplete>& incomplete() const;
  // How many entries were left out because nothing can be read from them.
  std::uint64_t unreadable() const;

 private:
  struct Impl;
  explicit BundleList(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Bundle {
 public:
  // As Node::open; the own archive is made if it is not there yet.
  static boost::asio::awaitable<Result<std::unique_ptr<Bundle>>> open(std::filesystem::path folder,
                                                                      bool create, Environment environment,
                                                                      NodeOptions options = {});
  static boost::asio::awaitable<Result<std::unique_ptr<Bundle>>> open(Backend& root, Environment environment,
                                                                      NodeOptions options = {});
  // A view of a node that outlives it.
  explicit Bundle(Node& node);
  Bundle(Bundle&&) noexcept;
  Bundle& operator=(Bundle&&) noexcept;
  ~Bundle();

  Node& node();

  // The archive that this bundle writes; made if it is not there yet.
  boost::asio::awaitable<Result<Archive>> own();
  boost::asio::awaitable<Result<CoreKey>> key();
  // What is known of every archive, in the order of keys.
  boost::asio::awaitable<Result<std::vector<ArchiveInfo>>> archives();
  boost::asio::awaitable<Result<Archive>> archive(CoreKey link);
  // As Node::follow_archive.
  boost::asio::awaitable<Result<Archive>> add(CoreKey link, FollowOptions options = {});
  // Stops following and deletes both cores; it comes back only by add(). The own one needs `own_too`.
  boost::asio::awaitable<Result<void>> forget(CoreKey link, bool own_too = false);

  // -- The view over all archives.
  boost::asio::awaitable<Result<BundleList>> list(BundleListOptions options);
  boost::asio::awaitable<Result<BundleList>> list();
  boost::asio::awaitable<Result<std::optional<Entry>>> get(std::string name, CoreKey link,
                                                           Core::From from = Core::From::peers);
  // The read stream, and with seek() the byte cursor.
  boost::asio::awaitable<Result<FileReader>> read(std::string name, CoreKey link, ReadOptions options = {});
  // Ends once all contents of the file, or of those below the name, are here.
  boost::asio::awaitable<Result<void>> download(std::string name, CoreKey link);

  // -- Into the own archive.
  boost::asio::awaitable<Result<FileWriter>> write(std::string name, EntryTraits traits = {});
  // An entry without contents: a symlink where `linkname` is not empty, else metadata.
  boost::asio::awaitable<Result<Version>> append(std::string name, std::string linkname = {},
                                                 EntryTraits traits = {},
                                                 Core::Safety safety = Core::Safety::process);

  // -- Replication.
  boost::asio::awaitable<Result<SessionSummary>> replicate(std::unique_ptr<ByteStream> stream, bool initiator,
                                                           Until until);
  // Ends the sessions with the remote of that name (NodeEvent::remote), or all; each ends with local_ended.
  boost::asio::awaitable<Result<void>> unreplicate(std::optional<std::string> remote = std::nullopt);
  // What happens to the archives from here on: added, changed, downloaded, uploaded, forgotten.
  boost::asio::awaitable<Result<ArchiveEvents>> watch();

  // Closes the node that this bundle opened; else does nothing. Idempotent.
  boost::asio::awaitable<void> close();

 private:
  struct Impl;
  explicit Bundle(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sheaf
