#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace cofferdam::audit {

struct file_sink {
    std::string path;
};
struct stdout_sink {};

struct sink_settings {
    enum class kind { file, standard_output } what = kind::file;
    std::string path;
};

struct settings {
    std::vector<sink_settings> sinks;        ///< empty: records are counted for the summary and dropped
    std::size_t queue_records = 32768;       ///< audit.queue_records
    std::size_t queue_bytes = 16U << 20;     ///< audit.queue_bytes
    std::size_t max_record_bytes = 1U << 20; ///< audit.max_record_bytes; longer strings are cut, and say so
    std::vector<std::string> redact{"authorization", "proxy-authorization", "cookie", "set-cookie",
                                    "x-api-key"}; ///< capture.redact, lower case
    std::size_t max_body = 64U << 10;             ///< capture.max_body
};

} // namespace cofferdam::audit
