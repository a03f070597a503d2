// A source that gives out recorded bytes, in order: seeds and headers of a vector.
#pragma once

#include <doctest/doctest.h>

#include "sheaf/protocol/random_source.hpp"

namespace sheaf::test {

class ScriptedRandom final : public RandomSource {
 public:
  explicit ScriptedRandom(Buffer script) : script_(std::move(script)) {}
  void fill(MutableBytes out) override {
    REQUIRE(out.size() <= script_.size() - at_);
    std::copy_n(script_.begin() + static_cast<std::ptrdiff_t>(at_), out.size(), out.begin());
    at_ += out.size();
  }
  bool used_up() const { return at_ == script_.size(); }

 private:
  Buffer script_;
  std::size_t at_ = 0;
};

}  // namespace sheaf::test
