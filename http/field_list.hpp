#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cofferdam::http {

/// Field lines that own their bytes, in order, as HTTP/2 carries them: pseudo fields (":method") first, names in lower case.
using field_list = std::vector<std::pair<std::string, std::string>>;

} // namespace cofferdam::http
