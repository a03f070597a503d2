// A pool without threads: each job runs on the executor given, in a turn of its own. For simulation and
// tests, where the order has to be the same every time.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "sheaf/net/pool.hpp"

namespace sheaf {

class InlinePool final : public Pool {
 public:
  explicit InlinePool(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  void submit(std::unique_ptr<Job> job) override;

 private:
  boost::asio::any_io_executor executor_;
};

}  // namespace sheaf
