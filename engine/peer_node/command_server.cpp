#include "engine/peer_node/command_server.hpp"

#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

CommandServer::CommandServer(asio::any_io_executor executor, Timers& timers, CommandHost& host)
    : executor_(executor),
      timers_(timers),
      host_(host),
      listening_(executor),
      accepting_(executor),
      serving_(executor) {}

Result<void> CommandServer::start(const std::filesystem::path& folder) {
  auto socket = listen_at_control(folder);
  if (!socket) return socket.error();
  folder_ = folder;
  listening_.assign(socket->release());
  accepting_.start(accept_loop());
  return {};
}

asio::awaitable<void> CommandServer::accept_loop() {
  while (!co_await was_cancelled()) {
    if (serving_.running() >= most_visitors) {
      // They wait in the socket's own queue, and go when their patience is over.
      if (auto waited = co_await place_free_.wait(); !waited) co_return;
      continue;
    }
    if (auto connection = accept_at(listening_.native_handle())) {
      serving_.start(serve(std::move(*connection)));
      continue;
    }
    Error error;
    co_await listening_.async_wait(asio::posix::descriptor_base::wait_read,
                                   asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
  }
}

asio::awaitable<Result<Handover>> CommandServer::take(ControlChannel& channel) {
  const auto malformed = boost::system::errc::make_error_code(boost::system::errc::protocol_error);
  std::array<std::byte, handover_head_bytes> head;
  if (auto received = co_await channel.receive(head); !received) co_return received.error();
  const auto size = body_size_of(head);
  if (!size) co_return malformed;
  Buffer body(*size);
  if (auto received = co_await channel.receive(body); !received) co_return received.error();
  auto handover = decode_handover(body);
  if (!handover) co_return malformed;
  co_return std::move(*handover);
}

// Ends when the command shall end before it is done, with the reason in the visitor's `stop`.
asio::awaitable<Result<void>> CommandServer::watch(ControlChannel& channel, Visitor& visitor) {
  std::array<std::byte, notice_bytes> bytes;
  auto both = co_await until_one_ends(channel.receive(bytes), visitor.released.wait());
  if (visitor.stop.why != Stop::Why::none) co_return Result<void>{};
  const auto notice = both.a ? decode_notice(bytes) : std::nullopt;
  if (notice && notice->kind == Notice::Kind::signal)
    visitor.stop = {Stop::Why::signal, notice->value};
  else if (both.a_first)
    visitor.stop = {Stop::Why::gone, 0};
  co_return Result<void>{};
}

asio::awaitable<void> CommandServer::serve(Descriptor connection) {
  const auto process = process_at(connection);
  // Closing without a word: whoever is there is not of this user, and has no business here.
  if (!process || !process->is_us()) co_return;
  ControlChannel channel(executor_, std::move(connection));
  auto handover = co_await within(timers_, handover_time, take(channel));
  auto descriptors = channel.take_descriptors();
  if (!handover || descriptors.size() != 3 || ending_) co_return;

  const auto answer = host_.consider(*handover);
  const bool declined = answer == CommandHost::Answer::decline;
  const auto greeting = encode_notice({declined ? Notice::Kind::released : Notice::Kind::accepted});
  if (auto sent = co_await channel.send(greeting); !sent || declined) co_return;

  const auto place = visitors_.emplace(visitors_.end());
  place->releasable = answer == CommandHost::Answer::run_while;
  StandardDescriptors standard{std::move(descriptors[0]), std::move(descriptors[1]),
                               std::move(descriptors[2])};
  const auto ended = co_await until_one_ends(
      host_.run(std::move(*handover), std::move(standard), place->stop), watch(channel, *place));
  const bool released = place->stop.why == Stop::Why::released && !ended.a_first;
  const auto farewell = released ? Notice{Notice::Kind::released} : Notice{Notice::Kind::exited, ended.a};
  visitors_.erase(place);
  [[maybe_unused]] const auto sent = co_await channel.send(encode_notice(farewell));
  place_free_.notify();
}

asio::awaitable<void> CommandServer::finish(bool patient) {
  ending_ = true;
  hurrying_ = hurrying_ || !patient;
  accepting_.cancel();
  co_await accepting_.join();
  if (listening_.is_open()) {
    remove_control(folder_);
    listening_.close();
  }
  for (auto& visitor : visitors_) {
    if (!visitor.releasable) continue;
    visitor.stop = {Stop::Why::released, 0};
    visitor.released.notify();
  }
  Tasks limits(executor_);
  const auto limit = [](CommandServer& self) -> asio::awaitable<void> {
    while (!self.hurrying_) {
      if (auto waited = co_await self.hurried_.wait(); !waited) co_return;
    }
    if (co_await self.timers_.sleep_until(self.timers_.now() + grace)) self.serving_.cancel();
  };
  limits.start(limit(*this));
  co_await serving_.join();
  limits.cancel();
  co_await limits.join();
}

void CommandServer::hurry() {
  hurrying_ = true;
  hurried_.notify();
}

}  // namespace sheaf::peer_node
