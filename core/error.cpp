#include "core/error.hpp"

#include <string>

namespace cofferdam {
namespace {

class category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "cofferdam"; }

    std::string message(int code) const override
    {
        switch (static_cast<errc>(code)) {
        case errc::need_more: return "more bytes are needed";
        case errc::malformed: return "malformed";
        case errc::ambiguous: return "ambiguous";
        case errc::too_large: return "exceeds a limit";
        case errc::unsupported: return "not supported";
        case errc::not_found: return "not found";
        case errc::exhausted: return "a bounded table is full";
        case errc::closed: return "closed by the peer";
        case errc::unreachable: return "nobody could be reached";
        case errc::timed_out: return "timed out";
        case errc::denied: return "denied by policy";
        }
        return "unknown error";
    }
};

} // namespace

const boost::system::error_category& error_category() noexcept
{
    static const category instance;
    return instance;
}

error_code make_error_code(errc e) noexcept
{
    return {static_cast<int>(e), error_category()};
}

} // namespace cofferdam
