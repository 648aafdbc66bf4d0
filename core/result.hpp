#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace cofferdam {

using boost::system::error_code;

/// A value or the error_code that says why there is none. Parsers return it and never throw.
template <class T>
using result = boost::system::result<T>;

} // namespace cofferdam
