// Clocks and figures of the benchmarks.
#pragma once

#include <cstdint>
#include <sys/types.h>
#include <vector>

namespace sheaf::peer_node {

std::uint64_t monotonic_ns();  // CLOCK_MONOTONIC, the same in every process of this machine
double monotonic_s();
double own_cpu_s();                          // user and system time of this process so far
double cpu_s_of(pid_t process);              // of another one; 0 when it has gone
std::uint64_t peak_bytes_of(pid_t process);  // the most memory it ever had resident; 0 when it has gone

// The sample below which the share of all samples lies, 0 if there are none. Requires: sorted, 0 <= share
// <= 1.
double percentile(const std::vector<double>& sorted, double share);

}  // namespace sheaf::peer_node
