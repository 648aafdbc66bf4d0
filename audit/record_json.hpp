#pragma once

#include "audit/record.hpp"

#include <boost/json/object.hpp>

namespace cofferdam::audit {

/// A record from its JSON, without bodies. `ours`: strings are in the form of json_text.hpp and are turned back to the
/// bytes that were seen. Members that are missing or of another type are left empty. A transaction without `type`
/// that holds a `request` object is taken as http (Qtap's format). errc::unsupported: neither.
result<record> record_from_json(const boost::json::object& line, bool ours);

} // namespace cofferdam::audit
