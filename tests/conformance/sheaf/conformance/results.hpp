// Lets doctest print a Result: the error it carries, or that it has a value.
#pragma once

#include <doctest/doctest.h>

#include "sheaf/protocol/error.hpp"

namespace doctest {

template <class T>
struct StringMaker<boost::system::result<T, sheaf::Error>> {
  static String convert(const boost::system::result<T, sheaf::Error>& result) {
    return result ? String("a value") : String(result.error().message().c_str());
  }
};

}  // namespace doctest
