#pragma once

#include "gateway/job_registry.hpp"

#include <functional>
#include <string>

namespace cofferdam::gateway {

/// The control API without its socket: docs/control-api.yaml says what there is.
struct control_request {
    std::string method, target, body;
    std::vector<nft::descriptor> descriptors; ///< that came with it
};
struct control_reply {
    unsigned status = 200;
    std::string content_type = "application/json", body;
};

class control_api {
public:
    /// `reload` throws what keeps it from doing so. Both outlive this.
    control_api(job_registry& jobs, std::function<void()> reload) : jobs_(jobs), reload_(std::move(reload)) {}

    /// `answer` is called once, maybe later: a job's connections have time to end.
    void handle(control_request request, std::function<void(control_reply)> answer);

private:
    void dispatch(control_request& request, const std::function<void(control_reply)>& answer);
    void start(job_request request, std::function<void(control_reply)> answer);
    control_reply set_phase(const std::string& id, const std::string& body);
    control_reply report(const std::string& id, const std::string& query) const;
    control_reply list() const;

    job_registry& jobs_;
    std::function<void()> reload_;
};

/// Who may use the control API.
struct control_peer {
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups;
};
/// Root, the gateway's own user, if it has one to itself, and the members of `group`, if there is one.
bool may_control(const control_peer& peer, std::optional<std::uint32_t> own_uid, std::optional<std::uint32_t> group);

} // namespace cofferdam::gateway
