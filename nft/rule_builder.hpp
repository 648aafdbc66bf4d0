#pragma once

#include "nft/ruleset.hpp"

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <memory>

namespace cofferdam::nft {

/// Owners of libnftnl's objects.
struct nftnl_deleter {
    void operator()(nftnl_table* p) const noexcept { nftnl_table_free(p); }
    void operator()(nftnl_chain* p) const noexcept { nftnl_chain_free(p); }
    void operator()(nftnl_rule* p) const noexcept { nftnl_rule_free(p); }
};
template <class T>
using owned = std::unique_ptr<T, nftnl_deleter>;

/// The rule's expressions as libnftnl's, without table and chain. Errors as of encode_ruleset().
result<owned<nftnl_rule>> build_rule(const rule& r);

} // namespace cofferdam::nft
