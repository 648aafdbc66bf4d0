#include "sandbox/errors.hpp"

#include <cerrno>
#include <cstring>

namespace cofferdam::sandbox {

void throw_errno(std::string_view what, int error)
{
    throw launch_error(std::string(what) + ": " + std::strerror(error));
}

void throw_errno(std::string_view what)
{
    throw_errno(what, errno);
}

} // namespace cofferdam::sandbox
