#include "sheaf/net/inline_pool.hpp"

#include <boost/asio/post.hpp>

namespace sheaf {

void InlinePool::submit(std::unique_ptr<Job> job) {
  boost::asio::post(executor_, [job = std::move(job)] { job->run(); });
}

}  // namespace sheaf
