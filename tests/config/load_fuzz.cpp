// Any text is a configuration or a located config_error, and what is accepted is compiled or refused with a policy_error.
#include "config/load.hpp"
#include "policy/policy.hpp"

#include <cstdlib>

using namespace cofferdam;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    try {
        const auto read = config::load_text(text, "fuzz.yaml");
        if (read.fingerprint.size() != 64 || read.files.size() != 1) std::abort();
        if (read.dns.min_ttl > read.dns.max_ttl || read.limits.max_connections == 0) std::abort();
        const auto again = config::load_text(text, "fuzz.yaml");
        if (again.policy.allow.size() != read.policy.allow.size() || again.fingerprint != read.fingerprint) std::abort();
        try {
            policy::policy::compile(read.policy);
        }
        catch (const policy::policy_error& wrong) {
            if (wrong.where.file != "fuzz.yaml" || wrong.where.line < 1) std::abort();
        }
    }
    catch (const config::config_error& wrong) {
        const std::string_view what = wrong.what();
        if (!what.starts_with("fuzz.yaml") || what.find('\n') != std::string_view::npos) std::abort();
    }
    return 0;
}
