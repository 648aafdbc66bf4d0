#pragma once

#include "core/reason.hpp"
#include "dns/message.hpp"

#include <string>
#include <string_view>

namespace cofferdam::dns {

/// The sentence that a refused or failed query carries in its Extended DNS Error, for whoever runs `dig`:
/// "cofferdam: not_in_allow_list: evil.example: no allow-list entry names this destination; to allow it: dns:evil.example".
/// One line, at most max_ede_text octets; a long name is shortened so that reason and hint stay readable.
std::string explain_refusal(reason why, std::string_view name, std::string_view hint, std::string_view detail = {});

/// Why an upstream lookup failed, in the words of records and Extended DNS Errors.
struct lookup_failure {
    reason why = reason::resolve_failed;
    ede_code error = ede_code::other;
};
lookup_failure describe_failure(const error_code& failed) noexcept;
/// Somebody upstream may know the question, although the lookup failed. False: nothing left the gateway.
bool was_heard(const error_code& failed) noexcept;

} // namespace cofferdam::dns
