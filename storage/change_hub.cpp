#include "storage/change_hub.hpp"

#include <condition_variable>
#include <deque>

namespace sheaf {

class ChangeHub::Queue {
 public:
  explicit Queue(const ChangeOptions& options)
      : prefix_(to_buffer(options.prefix)),
        values_(options.values),
        events_most_(options.events_most),
        bytes_most_(options.bytes_most),
        listener_(options.listener) {}

  void push(const Batch::Operation& operation, std::uint64_t batch) {
    if (!as_text(operation.key).starts_with(as_text(prefix_))) return;
    const bool put = operation.kind == Batch::Kind::put;
    const Bytes value = put && values_ ? operation.value : Bytes{};
    const std::size_t size = operation.key.size() + value.size();
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    if (listener_) listener_->changed();
    if (waiting_.size() >= events_most_ || bytes_ + size > bytes_most_) {
      // What was not taken yet is dropped with it: its owner has to list the store in any case.
      waiting_.clear();
      bytes_ = 0;
      waiting_.push_back({.kind = Change::Kind::gap, .batch = batch, .key = {}, .value = {}});
    } else {
      bytes_ += size;
      waiting_.push_back({.kind = put ? Change::Kind::put : Change::Kind::del,
                          .batch = batch,
                          .key = to_buffer(operation.key),
                          .value = to_buffer(value)});
    }
    some_.notify_one();
  }

  // What was not taken yet is dropped with it: its owner has to list the store in any case.
  void gap(std::uint64_t batch) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    if (listener_) listener_->changed();
    waiting_.clear();
    bytes_ = 0;
    waiting_.push_back({.kind = Change::Kind::gap, .batch = batch, .key = {}, .value = {}});
    some_.notify_one();
  }

  std::optional<Change> take(bool wait) {
    std::unique_lock lock(mutex_);
    if (wait) some_.wait(lock, [&] { return stopped_ || !waiting_.empty(); });
    if (waiting_.empty()) return std::nullopt;
    Change change = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= change.key.size() + change.value.size();
    return change;
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (listener_) listener_->changed();
    some_.notify_all();
  }

 private:
  const Buffer prefix_;
  const bool values_;
  const std::size_t events_most_;
  const std::size_t bytes_most_;
  const std::shared_ptr<ChangeListener> listener_;
  std::mutex mutex_;
  std::condition_variable some_;
  std::deque<Change> waiting_;
  std::size_t bytes_ = 0;
  bool stopped_ = false;
};

class ChangeHub::Subscription final : public Changes {
 public:
  explicit Subscription(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
  ~Subscription() override { queue_->stop(); }
  std::optional<Change> try_next() override { return queue_->take(false); }
  std::optional<Change> next() override { return queue_->take(true); }
  void stop() override { queue_->stop(); }

 private:
  std::shared_ptr<Queue> queue_;
};

ChangeHub::ChangeHub() = default;
ChangeHub::~ChangeHub() { end(); }

std::unique_ptr<Changes> ChangeHub::subscribe(const ChangeOptions& options) {
  auto queue = std::make_shared<Queue>(options);
  const std::lock_guard lock(mutex_);
  queues_.push_back(queue);
  followed_ = true;
  return std::make_unique<Subscription>(std::move(queue));
}

void ChangeHub::publish(const Batch& batch) {
  if (!followed_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  ++batch_;
  std::erase_if(queues_, [](const auto& queue) { return queue.expired(); });
  for (const auto& weak : queues_)
    if (const auto queue = weak.lock())
      for (std::size_t i = 0; i < batch.size(); ++i) queue->push(batch[i], batch_);
  followed_ = !queues_.empty();
}

void ChangeHub::gap() {
  const std::lock_guard lock(mutex_);
  ++batch_;
  for (const auto& weak : queues_)
    if (const auto queue = weak.lock()) queue->gap(batch_);
}

void ChangeHub::end() {
  const std::lock_guard lock(mutex_);
  for (const auto& weak : queues_)
    if (const auto queue = weak.lock()) queue->stop();
  queues_.clear();
  followed_ = false;
}

}  // namespace sheaf
