#pragma once

namespace cofferdam::nft {

/// Takes all interfaces of the calling thread's network namespace down but lo, and puts default routes in the place of theirs, by
/// a pair of its own (veth, cofferdam0 and cofferdam1) that leads nowhere. So what clients send still passes the ruleset, and
/// there is no wire that it could leave by: not for those who send frames past it (CAP_NET_RAW) either. Addresses of IPv4 stay
/// the namespace's own; those of IPv6 are lost. It may be done again, for interfaces that came later. Needs CAP_NET_ADMIN. Throws
/// sealed_network_error.
void unplug_interfaces();

} // namespace cofferdam::nft
