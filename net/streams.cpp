#include "sheaf/net/byte_stream.hpp"
#include "sheaf/net/pool.hpp"
#include "sheaf/net/timers.hpp"
