#include "protocol/slab.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "sheaf/protocol/invariant.hpp"

// A slab that lies in the pool is out of bounds for everybody: the address sanitizer then sees views that
// outlived their handle.
#if defined(__SANITIZE_ADDRESS__)
#define SHEAF_SEES_ADDRESSES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHEAF_SEES_ADDRESSES 1
#endif
#endif
#ifdef SHEAF_SEES_ADDRESSES
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

namespace sheaf {
namespace {

// Large runs come from the kernel by the page: they grow without being copied, and go back at once instead of
// staying in the heap of a process whose burst is over.
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t mapped_from = 64 * 1024;

std::size_t rounded(std::size_t bytes) {
  return bytes < mapped_from ? bytes : (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

#ifdef __linux__
bool mapped(std::size_t bytes) { return bytes >= mapped_from; }

void* allocate(std::size_t bytes) {
  if (!mapped(bytes)) return std::malloc(bytes);
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

void release(void* at, std::size_t bytes) {
  if (mapped(bytes))
    ::munmap(at, bytes);
  else
    std::free(at);
}

void* resize(void* at, std::size_t from, std::size_t to) {
  if (mapped(from) && mapped(to)) {
    void* const moved = ::mremap(at, from, to, MREMAP_MAYMOVE);
    return moved == MAP_FAILED ? nullptr : moved;
  }
  if (!mapped(from) && !mapped(to)) return std::realloc(at, to);
  void* const moved = allocate(to);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, at, std::min(from, to));
  release(at, from);
  return moved;
}
#else
void* allocate(std::size_t bytes) { return std::malloc(bytes); }
void release(void* at, std::size_t) { std::free(at); }
void* resize(void* at, std::size_t, std::size_t to) { return std::realloc(at, to); }
#endif

}  // namespace

namespace slab_detail {

// What a session holds, and how its partial frame fares. Guarded by the book's mutex.
struct Account {
  std::shared_ptr<Book> book;
  std::uint64_t id = 0;
  std::size_t bytes = 0;
  bool waits = false;  // for room
  std::size_t partial_bytes = 0;
  Instant partial_since;
};

struct Block {
  std::atomic<std::uint32_t> handles{1};
  std::byte* data = nullptr;
  std::size_t capacity = 0;
  std::shared_ptr<Account> account;  // none while it lies in the pool
};

// The pool's state, which lives as long as any slab of it.
struct Book {
  explicit Book(const Limits& l) : limits(l) {}
  ~Book() {
    for (Block* block : kept) {
      ASAN_UNPOISON_MEMORY_REGION(block->data, block->capacity);
      destroy(block);
    }
  }

  static void destroy(Block* block) {
    release(block->data, block->capacity);
    delete block;
  }

  std::size_t shared_share(std::size_t bytes) const {
    return bytes > limits.receive_bytes_reserved ? bytes - limits.receive_bytes_reserved : 0;
  }

  bool allows(const Account& account, std::size_t more) const {
    if (account.bytes >= limits.receive_bytes_session || more > limits.receive_bytes_session - account.bytes)
      return false;
    const std::size_t adds = shared_share(account.bytes + more) - shared_share(account.bytes);
    return adds == 0 ||
           (shared < limits.receive_bytes_process && adds <= limits.receive_bytes_process - shared);
  }

  void charge(Account& account, std::size_t more) {
    shared += shared_share(account.bytes + more) - shared_share(account.bytes);
    account.bytes += more;
    total += more;
  }

  void credit(Account& account, std::size_t less) {
    invariant(account.bytes >= less, "an account gives back what it took");
    shared -= shared_share(account.bytes) - shared_share(account.bytes - less);
    account.bytes -= less;
    total -= less;
  }

  void give_back(Block* block) {
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex);
      const std::size_t shared_before = shared;
      credit(*block->account, block->capacity);
      const bool helps = shared < shared_before || block->account->waits;
      if (starved && helps) {
        starved = block->account->waits = false;
        call = on_room;
      }
      const bool too_large = block->capacity > SlabPool::largest_kept || !has_place(block->capacity);
      if (too_large && block->capacity > SlabPool::slab_bytes && has_place(SlabPool::slab_bytes))
        shrink(block);
      if (block->capacity >= SlabPool::slab_bytes && has_place(block->capacity)) {
        block->account.reset();  // not the last owner of the book: give_back's caller holds it
        keep(block);
        block = nullptr;
      }
    }
    if (block != nullptr) destroy(block);
    if (call) call();
  }

  bool has_place(std::size_t bytes) const { return bytes <= SlabPool::kept_in_all - kept_bytes; }

  void keep(Block* block) {
    ASAN_POISON_MEMORY_REGION(block->data, block->capacity);
    kept_bytes += block->capacity;
    kept.push_back(block);
  }

  // The smallest that holds at least so many and at most so many bytes, no longer kept; none: null.
  Block* take_kept(std::size_t least, std::size_t most) {
    auto found = kept.end();
    for (auto at = kept.begin(); at != kept.end(); ++at) {
      const std::size_t capacity = (*at)->capacity;
      if (capacity < least || capacity > most) continue;
      if (found == kept.end() || capacity < (*found)->capacity) found = at;
    }
    if (found == kept.end()) return nullptr;
    Block* const block = *found;
    kept.erase(found);
    kept_bytes -= block->capacity;
    ASAN_UNPOISON_MEMORY_REGION(block->data, block->capacity);
    return block;
  }

  // Copying what a slab holds into a larger one that has its pages already costs less than new pages.
  bool swap_for_kept(const Account& account, Block& block, std::size_t least) {
    Block* const larger = take_kept(std::max(least, SlabPool::slab_bytes + 1), SlabPool::largest_kept);
    if (larger == nullptr) return false;
    const bool allowed = allows(account, larger->capacity - block.capacity);
    if (allowed) {
      std::memcpy(larger->data, block.data, block.capacity);
      std::swap(larger->data, block.data);
      std::swap(larger->capacity, block.capacity);
    }
    if (larger->capacity >= SlabPool::slab_bytes && has_place(larger->capacity))
      keep(larger);
    else
      destroy(larger);
    return allowed;
  }

  static void shrink(Block* block) {
    void* const moved = resize(block->data, block->capacity, SlabPool::slab_bytes);
    if (moved == nullptr) return;
    block->data = static_cast<std::byte*>(moved);
    block->capacity = SlabPool::slab_bytes;
  }

  const Limits limits;
  mutable std::mutex mutex;
  std::size_t total = 0;
  std::size_t shared = 0;
  bool starved = false;
  std::uint64_t last_id = 0;
  std::map<std::uint64_t, Account*> accounts;  // of living sessions
  std::vector<Block*> kept;
  std::size_t kept_bytes = 0;
  std::function<void()> on_room;
};

}  // namespace slab_detail

Slab::Slab(const Slab& other) noexcept : block_(other.block_) {
  if (block_ != nullptr) block_->handles.fetch_add(1, std::memory_order_relaxed);
}

Slab::~Slab() {
  if (block_ == nullptr || block_->handles.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::shared_ptr<slab_detail::Book> book = block_->account->book;
  book->give_back(block_);
}

std::size_t Slab::capacity() const { return block_ == nullptr ? 0 : block_->capacity; }
MutableBytes Slab::bytes() const {
  return block_ == nullptr ? MutableBytes() : MutableBytes(block_->data, block_->capacity);
}
// Acquire: what another thread read through its handle happened before we write again.
bool Slab::sole() const { return block_ != nullptr && block_->handles.load(std::memory_order_acquire) == 1; }

SlabAccount::SlabAccount(SlabPool& pool) : account_(std::make_shared<slab_detail::Account>()) {
  account_->book = pool.book_;
  const std::lock_guard lock(pool.book_->mutex);
  account_->id = ++pool.book_->last_id;
  pool.book_->accounts.emplace(account_->id, account_.get());
}

SlabAccount::~SlabAccount() {
  const std::lock_guard lock(account_->book->mutex);
  account_->book->accounts.erase(account_->id);
}

bool SlabAccount::allows(std::size_t bytes) const {
  const auto& book = *account_->book;
  const std::lock_guard lock(book.mutex);
  return book.allows(*account_, rounded(bytes));
}

void SlabAccount::wait_for_room() const {
  const std::lock_guard lock(account_->book->mutex);
  account_->book->starved = account_->waits = true;
}

Slab SlabAccount::take(std::size_t capacity) {
  auto& book = *account_->book;
  capacity = rounded(capacity);
  const std::lock_guard lock(book.mutex);
  if (!book.allows(*account_, capacity)) return {};
  slab_detail::Block* block = nullptr;
  if (capacity == SlabPool::slab_bytes) block = book.take_kept(capacity, capacity);
  if (block != nullptr) {
    block->handles.store(1, std::memory_order_relaxed);
  } else {
    auto fresh = std::make_unique<slab_detail::Block>();
    fresh->data = static_cast<std::byte*>(allocate(capacity));
    if (fresh->data == nullptr) throw std::bad_alloc();
    fresh->capacity = capacity;
    block = fresh.release();
  }
  block->account = account_;
  book.charge(*account_, capacity);
  return Slab(block);
}

bool SlabAccount::grow(Slab& slab, std::size_t capacity) {
  invariant(slab.sole() && capacity >= slab.capacity(), "only a slab of one's own grows");
  auto& book = *account_->book;
  slab_detail::Block& block = *slab.block_;
  capacity = rounded(capacity);
  const std::lock_guard lock(book.mutex);
  if (!book.allows(*account_, capacity - block.capacity)) return false;
  const std::size_t before = block.capacity;
  if (book.swap_for_kept(*account_, block, capacity)) {
    book.charge(*account_, block.capacity - before);
    return true;
  }
  void* const moved = resize(block.data, before, capacity);
  if (moved == nullptr) throw std::bad_alloc();
  block.data = static_cast<std::byte*>(moved);
  block.capacity = capacity;
  book.charge(*account_, capacity - before);
  return true;
}

std::size_t SlabAccount::bytes() const {
  const std::lock_guard lock(account_->book->mutex);
  return account_->bytes;
}

std::uint64_t SlabAccount::id() const { return account_->id; }

void SlabAccount::partial_frame(std::size_t bytes, Instant since) {
  const std::lock_guard lock(account_->book->mutex);
  account_->partial_bytes = bytes;
  account_->partial_since = since;
}

SlabPool::SlabPool(const Limits& limits) : book_(std::make_shared<slab_detail::Book>(limits)) {}
SlabPool::~SlabPool() = default;

std::size_t SlabPool::bytes() const {
  const std::lock_guard lock(book_->mutex);
  return book_->total;
}

std::size_t SlabPool::shared_bytes() const {
  const std::lock_guard lock(book_->mutex);
  return book_->shared;
}

void SlabPool::on_room(std::function<void()> call) {
  const std::lock_guard lock(book_->mutex);
  book_->on_room = std::move(call);
}

bool SlabPool::starved() const {
  const std::lock_guard lock(book_->mutex);
  return book_->starved;
}

bool SlabPool::spent() const {
  const std::lock_guard lock(book_->mutex);
  return book_->starved && book_->shared + slab_bytes > book_->limits.receive_bytes_process;
}

std::optional<std::uint64_t> SlabPool::slowest(Instant now) const {
  const std::lock_guard lock(book_->mutex);
  std::optional<std::uint64_t> found;
  double least = 0;
  for (const auto& [id, account] : book_->accounts) {
    if (account->partial_bytes <= slow_frame_bytes) continue;
    const double seconds = std::chrono::duration<double>(now - account->partial_since).count();
    const double speed = static_cast<double>(account->partial_bytes) / std::max(seconds, 1e-3);
    if (found && speed >= least) continue;
    found = id;
    least = speed;
  }
  return found;
}

}  // namespace sheaf
