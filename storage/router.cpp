// The router's life, and what is small.
#include "sheaf/storage/router.hpp"

#include <algorithm>
#include <stdexcept>

#include "storage/router_impl.hpp"

namespace sheaf {

using namespace router_records;

namespace {

constexpr Traits state_traits{.role = Traits::Role::state};

Backend& backend_of(RoutedStore& store) {
  if (!store.lent && !store.owned) throw std::invalid_argument("a routed store has a backend");
  return store.lent ? *store.lent : *store.owned;
}

void check_labels(const RouterOptions& options) {
  std::set<std::string_view> known{root_label};
  if (options.stores.size() > 255) throw std::invalid_argument("a router has at most 255 stores");
  for (const RoutedStore& store : options.stores)
    if (store.label.empty() || !known.insert(store.label).second)
      throw std::invalid_argument("a store's label is empty, reserved or used twice: " + store.label);
  if (!options.mapper) throw std::invalid_argument("a router has a mapper");
  std::vector<std::string> named = options.mapper->targets();
  if (!options.fallback.empty()) named.push_back(options.fallback);
  for (const std::string& label : named)
    if (!known.contains(label))
      throw std::invalid_argument("a route names a store that does not exist: " + label);
}

class RouterCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "sheaf.router"; }
  std::string message(int code) const override {
    return static_cast<RouterErrc>(code) == RouterErrc::no_route ? "no store takes this value"
                                                                 : "unknown error of the router";
  }
};

class SizeMapper final : public Mapper {
 public:
  SizeMapper(std::string label, std::uint64_t least) : label_(std::move(label)), least_(least) {}
  std::vector<std::string> labels(Bytes value, const Traits&) override {
    return {value.size() >= least_ ? label_ : std::string(root_label)};
  }
  std::vector<std::string> targets() const override { return {label_}; }
  std::string why(Bytes value, const Traits&) override {
    return std::to_string(value.size()) + " bytes, and values of " + std::to_string(least_) +
           " or more go to " + label_;
  }

 private:
  const std::string label_;
  const std::uint64_t least_;
};

}  // namespace

const boost::system::error_category& router_category() noexcept {
  static const RouterCategory category;
  return category;
}

std::string Mapper::why(Bytes, const Traits&) { return {}; }

std::unique_ptr<Mapper> size_mapper(std::string label, std::uint64_t least) {
  return std::make_unique<SizeMapper>(std::move(label), least);
}

std::unique_ptr<Router> router(RouterOptions options) {
  check_labels(options);
  return std::make_unique<RouterImpl>(std::move(options));
}

RouterImpl::RouterImpl(RouterOptions options)
    : root_owner_(std::move(options.root)),
      root_(backend_of(root_owner_)),
      root_owned_(root_owner_.lent == nullptr),
      mapper_(std::move(options.mapper)),
      fallback_(std::move(options.fallback)),
      copies_least_(options.copies_least),
      resolver_(options.resolver),
      traits_(options.traits),
      rebuild_(options.rebuild_root),
      fresh_keys_(options.random),
      fresh_prefix_(std::move(options.fresh_prefix)),
      fresh_text_(options.fresh_text),
      limits_(options.limits),
      present_(options.pointed_keys_bytes / 2),
      pointed_(options.pointed_keys_bytes / 2),
      tidying_(std::move(options.tidying)) {
  for (RoutedStore& store : options.stores) {
    (void)backend_of(store);
    ports_.push_back(std::make_unique<RouterPort>(std::move(store), options.deadline));
  }
  derive_limits();
}

RouterImpl::~RouterImpl() {
  tidying_.reset();  // with the work that it is at
  (void)close();
}

// What the stores take, less what the router adds to keys, values and batches.
void RouterImpl::derive_limits() {
  constexpr std::size_t key_overhead = 16, copy_key_overhead = 34;
  const StoreLimits& root = root_.limits();
  limits_.key_bytes = std::min(limits_.key_bytes + key_overhead, root.key_bytes) - key_overhead;
  limits_.value_bytes = std::min(limits_.value_bytes, root.value_bytes - 1);
  limits_.batch_bytes = std::min(limits_.batch_bytes, root.batch_bytes);
  // A put becomes its entry, and where it replaces one of format 1, the end of its reverse records.
  const std::size_t each = 1 + ports_.size();
  limits_.batch_operations = std::min(limits_.batch_operations, (root.batch_operations - 8) / each);
  for (const auto& port : ports_) {
    const StoreLimits& store = port->backend().limits();
    limits_.key_bytes = std::min(limits_.key_bytes + copy_key_overhead, store.key_bytes) - copy_key_overhead;
    limits_.value_bytes = std::min(limits_.value_bytes, store.value_bytes);
  }
}

RouterPort* RouterImpl::port(Number number) const {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : found->second;
}

RouterPort* RouterImpl::port(std::string_view label) const {
  const auto found =
      std::find_if(ports_.begin(), ports_.end(), [&](const auto& port) { return port->label() == label; });
  return found == ports_.end() ? nullptr : found->get();
}

void RouterImpl::note(std::string trouble) {
  const std::lock_guard lock(noting_);
  trouble_ = std::move(trouble);
}

std::string RouterImpl::trouble() const {
  const std::lock_guard lock(noting_);
  return trouble_;
}

std::string RouterImpl::store_trouble(std::string_view label) const {
  if (label == root_label) return root_.poisoned() ? root_.trouble() : std::string();
  RouterPort* const found = port(label);
  if (!found) return "there is no such store";
  if (found->healthy()) return {};
  const std::string words = found->trouble();
  return words.empty() ? "the store does not answer" : words;
}

RouterCounters RouterImpl::counters() const {
  return {.repaired_by_read = repaired_, .swept = swept_, .rolled_back = rolled_back_, .adopted = adopted_};
}

// -- Opening and closing.

Result<void> RouterImpl::open() {
  const std::unique_lock lock(open_);
  return open_alone();
}

Result<void> RouterImpl::open_alone() {
  if (opened_) return {};
  if (root_owned_)
    if (auto opened = root_.open(); !opened) {
      note("root: " + root_.trouble());
      return opened;
    }
  if (!root_owned_ && root_.poisoned())
    if (auto opened = root_.reopen(); !opened) return opened;
  // A store that does not open is no reason to refuse the others; whoever needs it tries again.
  for (const auto& port : ports_)
    if (!port->open()) note(port->label() + ": " + port->trouble());

  const auto begin = [&]() -> Result<void> {
    if (auto known = check_root(); !known) return known;
    if (auto named = name_stores(); !named) return named;
    return recover();
  };
  if (auto begun = begin(); !begun) {
    for (auto port = ports_.rbegin(); port != ports_.rend(); ++port) (*port)->close();
    if (root_owned_) (void)root_.close();
    return begun;
  }
  opened_ = true;
  return {};
}

Result<void> RouterImpl::close() {
  const std::unique_lock lock(open_);
  hub_.end();
  return close_alone();
}

Result<void> RouterImpl::close_alone() {
  if (opened_) {
    (void)settle();
    (void)settle();  // the entries whose copies went in the first round
  }
  opened_ = false;
  for (auto port = ports_.rbegin(); port != ports_.rend(); ++port) (*port)->close();
  {
    const std::lock_guard committing(committing_);
    garbage_.clear();
    reversible_.clear();
    silent_.clear();
    waiting_ = 0;
  }
  present_.forget();
  pointed_.forget();
  return root_owned_ ? root_.close() : Result<void>();
}

// A poisoned root is opened first: one that cannot be (a full disk) may go on reading, and so may we. Calls
// that come meanwhile wait, and find it open.
Result<void> RouterImpl::reopen() {
  const std::unique_lock lock(open_);
  if (opened_ && root_.poisoned())
    if (auto able = root_.reopen(); !able) {
      note("root: " + root_.trouble());
      return able;
    }
  (void)close_alone();
  auto opened = open_alone();
  // The last write may be there or not, and a put of before may have been rolled back.
  hub_.gap();
  return opened;
}

// The format, and how far versions may have got.
Result<void> RouterImpl::check_root() {
  rebuilding_ = false;
  Buffer format;
  if (auto got = root_.get(format_key(), format); got) {
    const auto version = decode_u64(format);
    if (!version) return version.error();
    if (*version > format_version) return StorageErrc::newer_format;
    Buffer reserved;
    if (auto read = root_.get(reserved_key(), reserved); !read) return StorageErrc::damaged;
    const auto next = decode_u64(reserved);
    if (!next) return next.error();
    const std::lock_guard lock(versions_);
    format_ = *version;
    next_version_ = reserved_ = std::max(*next, reserved_);
    return {};
  } else if (got.error() != StorageErrc::not_found) {
    return got;
  }

  // A new root beside stores that hold copies is one that was lost.
  std::uint64_t highest = 0;
  for (const auto& port : ports_) {
    auto version = highest_version(*port);
    if (!version) {
      note("a new root is made only where all stores answer: " + port->label() + ": " + port->trouble());
      return version.error();
    }
    if (*version > 0 && !rebuild_) {
      const auto begun = remade_up_to();
      note(begun && begun->copies > 0
               ? "the root was lost, and is not made again yet"
               : "the root is empty, but the store " + port->label() + " holds copies: the root was lost");
      return StorageErrc::damaged;
    }
    highest = std::max(highest, *version);
  }
  rebuilding_ = highest > 0;
  {
    const std::lock_guard lock(versions_);
    next_version_ = reserved_ = highest + 1;
  }
  return rebuilding_ ? Result<void>() : write_format();
}

// From now on the root is one.
Result<void> RouterImpl::write_format() {
  Batch batch;
  return write_format(batch);
}

Result<void> RouterImpl::write_format(Batch& with) {
  with.put_copy(format_key(), encode_u64(format_version), state_traits);
  with.put_copy(reserved_key(), encode_u64(reserved_), state_traits);
  if (auto written = root_.write(with, Durable::yes); !written) return written;
  const std::lock_guard lock(versions_);
  format_ = format_version;
  return {};
}

// 0 where the root does not have it.
Result<std::uint64_t> RouterImpl::root_number(Bytes key) {
  Buffer bytes;
  if (auto got = root_.get(key, bytes); !got) {
    if (got.error() == StorageErrc::not_found) return std::uint64_t{0};
    return {boost::system::in_place_error, got.error()};
  }
  return decode_u64(bytes);
}

// Of the copies in a store, whoever put them there; 0 without any.
Result<std::uint64_t> RouterImpl::highest_version(RouterPort& port) {
  const auto failed = [](const Error& error) -> Result<std::uint64_t> {
    return {boost::system::in_place_error, error};
  };
  using Kind = CopyName::Kind;
  std::uint64_t highest = 0;
  for (const Kind kind : {Kind::block, Kind::value, Kind::record}) {
    const Buffer from = first_name(kind, 0);
    auto cursor = port.iterate(
        {.gte = from, .lt = past(Bytes(from).first(2)), .reverse = true, .keys_only = true, .limit = 1});
    if (!cursor) return failed(cursor.error());
    const auto some = (*cursor)->next();
    if (!some) return failed(some.error());
    if (!*some) continue;
    if (const auto name = name_of_copy((*cursor)->key())) highest = std::max(highest, name->version);
  }
  return highest;
}

// Each label has a number in the root, given once. Copies that were in a store before are not ours to remove:
// it may have had another label, or another router.
Result<void> RouterImpl::name_stores() {
  by_number_.clear();
  labels_.clear();
  auto cursor = root_.iterate({.gte = label_prefix, .lt = past(label_prefix)});
  if (!cursor) return cursor.error();
  Number next = 1;
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return more.error();
    if (!*more) break;
    const Bytes key = (*cursor)->key();
    if (key.size() != 4) return StorageErrc::damaged;
    const auto number =
        static_cast<Number>(std::to_integer<unsigned>(key[2]) << 8 | std::to_integer<unsigned>(key[3]));
    labels_[number] = std::string(as_text((*cursor)->value()));
    next = static_cast<Number>(number + 1);
  }
  Batch batch;
  std::uint64_t highest = 0;
  std::vector<RouterPort*> fresh;
  for (const auto& port : ports_) {
    const auto known = std::find_if(labels_.begin(), labels_.end(),
                                    [&](const auto& entry) { return entry.second == port->label(); });
    if (known == labels_.end()) {
      if (next == 0) return StorageErrc::full;
      port->number = next++;
      labels_[port->number] = port->label();
      batch.put_copy(label_key(port->number), as_bytes(port->label()), state_traits);
      auto there = highest_version(*port);
      if (!there) {
        note("a store that is new here has to answer: " + port->label() + ": " + port->trouble());
        return there.error();
      }
      highest = std::max(highest, *there);
      fresh.push_back(port.get());
    } else {
      port->number = known->first;
    }
    by_number_[port->number] = port.get();
    auto settled = root_number(settled_key(port->number));
    if (!settled) return settled.error();
    auto joined = root_number(joined_key(port->number));
    if (!joined) return joined.error();
    port->settled = *settled;
    port->joined = *joined;
  }
  if (rebuilding_) {
    // What is there is what the root is made of; its labels are written with it.
    for (RouterPort* const port : fresh) port->joined = port->settled = 0;
  } else if (!fresh.empty()) {
    const std::lock_guard lock(versions_);
    next_version_ = std::max(next_version_, highest + 1);
    reserved_ = std::max(reserved_, next_version_);
    batch.put_copy(reserved_key(), encode_u64(reserved_), state_traits);
    for (RouterPort* const port : fresh) {
      port->joined = port->settled = next_version_;
      batch.put_copy(settled_key(port->number), encode_u64(next_version_), state_traits);
      batch.put_copy(joined_key(port->number), encode_u64(next_version_), state_traits);
    }
  }
  return batch.empty() ? Result<void>() : root_.write(batch, Durable::yes);
}

std::shared_lock<std::shared_mutex> RouterImpl::enter() {
  std::shared_lock lock(open_);
  if (!opened_ ||
      std::none_of(silent_.begin(), silent_.end(), [](RouterPort* port) { return port->healthy(); }))
    return lock;
  lock.unlock();
  verify();
  lock.lock();
  return lock;
}

Result<void> RouterImpl::sync() {
  wake_silent();
  const auto lock = enter();
  if (!opened_) return StorageErrc::closed;
  if (root_.poisoned()) return StorageErrc::poisoned;
  Result<void> out;
  for (const auto& port : ports_)
    if (auto synced = port->sync(); !synced) {
      note(port->label() + ": " + port->trouble());
      out = synced;
    }
  if (auto synced = root_.sync(); !synced) return synced;
  if (waiting_ > 0) {
    (void)settle();
    (void)settle();
  }
  return out;
}

Result<std::unique_ptr<Changes>> RouterImpl::changes(const ChangeOptions& options) {
  const std::shared_lock lock(open_);
  if (!opened_) return StorageErrc::closed;
  const std::lock_guard committing(committing_);
  return hub_.subscribe(options);
}

Result<Router::Explanation> RouterImpl::explain(Bytes value, const Traits& traits) {
  auto ports = route(value, traits);
  if (!ports) return ports.error();
  Explanation out;
  for (const RouterPort* port : *ports) out.stores.push_back(port->label());
  if (out.stores.empty()) out.stores.emplace_back(root_label);
  out.why = mapper_->labels(value, traits).empty() ? "no route takes it: the fallback"
                                                   : mapper_->why(value, traits);
  return out;
}

}  // namespace sheaf
