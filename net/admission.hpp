// Who may come in: the limits L2 and L17 on connections that strangers open, shared by all listeners.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "sheaf/net/byte_stream.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/protocol/limits.hpp"

namespace sheaf {

// Used from one strand; outlives its tickets.
class Admission {
 public:
  // A place among the connections, given back when it goes.
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket();

   private:
    friend class Admission;
    Ticket(Admission& book, std::map<std::string, std::size_t>::iterator host) : book_(&book), host_(host) {}
    Admission* book_;
    std::map<std::string, std::size_t>::iterator host_;
  };

  // A place among the connections whose handshake is not done; given back when that is, or the session ends.
  class HalfOpen {
   public:
    HalfOpen(HalfOpen&& other) noexcept;
    HalfOpen& operator=(HalfOpen&&) = delete;
    ~HalfOpen();
    // Its stream was closed to make place for a younger one.
    bool displaced() const { return !entry_->stream; }

   private:
    friend class Admission;
    struct Entry {
      std::string host;
      ByteStream* stream;  // null once it was closed to make place
    };
    HalfOpen(Admission& book, std::list<Entry>::iterator entry) : book_(&book), entry_(entry) {}
    Admission* book_;
    std::list<Entry>::iterator entry_;
  };

  Admission(const Limits& limits, Timers& timers);

  // Nothing if one connection more, from that host or in this second, would be too many, or if its
  // descriptor is one of the last that are kept in reserve.
  std::optional<Ticket> admit(const std::string& host, int descriptor);

  // Counts the stream among the half-open ones; if they are too many in all or from its host, the oldest of
  // those is closed. The stream outlives the place.
  HalfOpen half_open(const std::string& host, ByteStream& stream);

  std::size_t connections() const { return connections_; }
  const Limits& limits() const { return limits_; }

 private:
  const Limits& limits_;
  Timers& timers_;
  std::size_t connections_ = 0;
  std::map<std::string, std::size_t> hosts_;
  Duration owed_{};    // how far the connections of the last second are ahead of the permitted rate
  Instant counted_{};  // when that was reckoned
  std::list<HalfOpen::Entry> half_open_;  // oldest first
};

}  // namespace sheaf
