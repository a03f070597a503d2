#include "engine/peer_node/visitor.hpp"

#include <boost/asio/this_coro.hpp>

#include "engine/peer_node/control_socket.hpp"
#include "engine/peer_node/exit_code.hpp"
#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

asio::awaitable<Result<Notice>> next_notice(ControlChannel& channel) {
  std::array<std::byte, notice_bytes> bytes;
  if (auto received = co_await channel.receive(bytes); !received) co_return received.error();
  const auto notice = decode_notice(bytes);
  if (!notice) co_return boost::system::errc::make_error_code(boost::system::errc::protocol_error);
  co_return *notice;
}

asio::awaitable<Result<Notice>> introduce(ControlChannel& channel, Bytes frame,
                                          std::array<int, 3> descriptors) {
  if (auto sent = co_await channel.send(frame, descriptors); !sent) co_return sent.error();
  co_return co_await next_notice(channel);
}

// Tells the holder of the first signal and of none after it; the second forces this process to end.
asio::awaitable<Result<void>> forward_signal(ControlChannel& channel, Interrupts& interrupts) {
  while (interrupts.number == 0) {
    if (auto waited = co_await interrupts.arrived.wait(); !waited) co_return waited.error();
  }
  const auto bytes = encode_notice({Notice::Kind::signal, interrupts.number});
  co_return co_await channel.send(bytes);
}

asio::awaitable<Result<Notice>> await_end(ControlChannel& channel, Interrupts& interrupts) {
  Tasks tasks(co_await asio::this_coro::executor);
  const auto forward = [](ControlChannel& channel, Interrupts& interrupts) -> asio::awaitable<void> {
    [[maybe_unused]] const auto sent = co_await forward_signal(channel, interrupts);
  };
  tasks.start(forward(channel, interrupts));
  auto notice = co_await next_notice(channel);
  tasks.cancel();
  co_await tasks.join();
  co_return notice;
}

}  // namespace

asio::awaitable<Visit> visit_holder(const std::filesystem::path& folder, const Handover& handover,
                                    std::array<int, 3> descriptors, Timers& timers, Interrupts& interrupts) {
  using How = Visit::How;
  auto socket = connect_to_control(folder);
  if (!socket) {
    const bool full = socket.error() == boost::system::errc::resource_unavailable_try_again;
    co_return Visit{full ? How::silent : How::nobody};
  }
  const auto holder = process_at(*socket);
  if (!holder) co_return Visit{How::nobody};
  if (!holder->is_us()) co_return Visit{How::stranger, 0, holder->pid};
  const auto frame = encode_handover(handover);
  if (!frame) co_return Visit{How::declined, 0, holder->pid};
  ControlChannel channel(co_await asio::this_coro::executor, std::move(*socket));
  const auto answer = co_await within(timers, holder_patience, introduce(channel, *frame, descriptors));
  if (!answer) {
    const bool late = answer.error() == make_error_code(NetErrc::timed_out);
    co_return Visit{late ? How::silent : How::nobody, 0, holder->pid};
  }
  if (answer->kind != Notice::Kind::accepted) co_return Visit{How::declined, 0, holder->pid};
  const auto end = co_await await_end(channel, interrupts);
  if (!end) co_return Visit{How::vanished, exit_code::failed, holder->pid};
  switch (end->kind) {
    case Notice::Kind::exited: co_return Visit{How::done, end->value, holder->pid};
    case Notice::Kind::released: co_return Visit{How::released, 0, holder->pid};
    case Notice::Kind::accepted:
    case Notice::Kind::signal: break;
  }
  co_return Visit{How::vanished, exit_code::failed, holder->pid};
}

}  // namespace sheaf::peer_node
