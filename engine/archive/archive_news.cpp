#include "engine/archive/archive_news.hpp"

#include <algorithm>

namespace sheaf {

boost::asio::awaitable<Result<ArchiveEvent>> ArchiveNews::Reader::next() {
  while (order_.empty()) {
    if (closed_) co_return EngineErrc::closed;
    if (auto waited = co_await arrived_.wait(); !waited) co_return waited.error();
  }
  const auto event = events_.extract(order_.front());
  order_.pop_front();
  co_return event.mapped();
}

void ArchiveNews::Reader::add(const ArchiveEvent& event) {
  const auto [place, fresh] = events_.try_emplace(event.link, event);
  if (fresh) {
    order_.push_back(event.link);
  } else {
    ArchiveEvent& all = place->second;
    all.added |= event.added;
    all.removed |= event.removed;
    all.changed |= event.changed;
    if (event.wound_back)
      all.wound_back = std::min(all.wound_back.value_or(*event.wound_back), *event.wound_back);
    all.downloaded = all.downloaded + event.downloaded;
    all.uploaded = all.uploaded + event.uploaded;
  }
  arrived_.notify();
}

std::shared_ptr<ArchiveNews::Reader> ArchiveNews::watch() {
  auto reader = std::make_shared<Reader>();
  reader->closed_ = closed_;
  readers_.push_back(reader);
  return reader;
}

void ArchiveNews::tell(const ArchiveEvent& event) {
  std::erase_if(readers_, [&](const std::weak_ptr<Reader>& watcher) {
    const auto reader = watcher.lock();
    if (reader) reader->add(event);
    return !reader;
  });
}

void ArchiveNews::close() {
  closed_ = true;
  for (const auto& watcher : readers_) {
    const auto reader = watcher.lock();
    if (!reader) continue;
    reader->closed_ = true;
    reader->arrived_.notify();
  }
}

}  // namespace sheaf
