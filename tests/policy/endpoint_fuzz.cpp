// Properties: an entry parses or throws policy_error; what was refused is allowed once its hint is on the list.
#include "policy/endpoint.hpp"
#include "policy/name.hpp"
#include "policy/url.hpp"

#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::policy;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

template <class Question>
void require_hint(const Question& question)
{
    static const auto nothing = cofferdam::policy::policy::compile({});
    const auto refused = nothing->decide(question);
    require(!refused.allowed());
    policy_source source;
    source.allow = {{refused.hint, {}}};
    require(cofferdam::policy::policy::compile(source)->decide(question).allowed());
}

/// The text as a request: "host\npath", and the host's first octet chooses the rest.
void judge(std::string_view text)
{
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return;
    const auto host = parse_host(text.substr(0, end));
    const auto target = canonical_target(text.substr(end + 1));
    if (!host || !target) return;
    const auto name = host->to_string();
    const auto port = static_cast<std::uint16_t>(1 + text.size() * 251 % 65535);
    require_hint(http_request{.method = "GET", .scheme = "https", .host = name, .port = port, .path = target->path});
    require_hint(connection_attempt{.app = application::opaque, .host = name, .destination = {{}, port}});
    require_hint(connection_attempt{.proto = transport::udp, .host = name, .destination = {{}, port}});
    if (!host->address) require_hint(name_query{name});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const auto text = as_text({bytes, size});
    judge(text);
    try {
        const auto entry = parse_endpoint({std::string(text), {"fuzz", 1, 1}});
        require((entry.port == 0) == (entry.kind == endpoint_kind::dns));
        require((entry.kind == endpoint_kind::url) == entry.path.starts_with('/'));
        const auto again = parse_endpoint({entry.text, {}});
        require(again.where == entry.where && again.path == entry.path && again.port == entry.port &&
                again.methods == entry.methods);
    }
    catch (const policy_error& wrong) {
        require(wrong.where.line == 1 && wrong.where.column >= 1);
        require(wrong.where.column <= static_cast<int>(size) + 1);
    }
    return 0;
}
