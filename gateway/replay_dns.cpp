#include "gateway/replay_dns.hpp"

#include "audit/json_text.hpp"
#include "audit/log_reader.hpp"
#include "config/load.hpp"
#include "core/zone.hpp"
#include "dns/inspector.hpp"
#include "gateway/name_policy.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>

namespace cofferdam::gateway {
namespace {

struct trace_line {
    std::string qname, qtype;
    double payload_bytes = 0;
};

/// A trained model read from a folder; keeps the bytes that it refers to.
class model_folder {
public:
    explicit model_folder(const std::string& folder)
        : order2_(read(folder + "/order2.u8")), dictionary_(read(folder + "/dict4096.tsv")),
          popular_(read(folder + "/popular.bin")),
          ci_hosts_(read(folder + "/ci_hosts.bin")), model_{good(dns::label_code::parse(as_bytes(order2_), dictionary_), folder),
                                                            good(dns::name_set::parse(as_bytes(popular_)), folder),
                                                            good(dns::name_set::parse(as_bytes(ci_hosts_)), folder)}
    {
    }
    const dns::name_model& model() const noexcept { return model_; }

private:
    static std::string read(const std::string& path)
    {
        std::ifstream in(path, std::ios::binary);
        if (!in) throw config::config_error({path, 0, 0}, "can't be read");
        return {std::istreambuf_iterator<char>(in), {}};
    }
    template <class T>
    static T good(result<T> parsed, const std::string& folder)
    {
        if (!parsed) throw config::config_error({folder, 0, 0}, "is no name model: " + parsed.error().message());
        return std::move(*parsed);
    }

    std::string order2_, dictionary_, popular_, ci_hosts_;
    dns::name_model model_;
};

/// The octets of a name in presentation form (RFC 1035, 5.1), label by label; nothing if it can't be put on the wire.
std::optional<std::vector<std::uint8_t>> wire_of(std::string_view text)
{
    std::vector<std::uint8_t> out;
    std::string label;
    const auto end_label = [&] {
        if (label.empty() || label.size() > dns::max_label) return false;
        out.push_back(static_cast<std::uint8_t>(label.size()));
        out.insert(out.end(), label.begin(), label.end());
        label.clear();
        return true;
    };
    if (text.ends_with('.')) text.remove_suffix(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto is_digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
        if (text[i] == '.') {
            if (!end_label()) return std::nullopt;
        }
        else if (text[i] == '\\' && is_digit(i + 1) && is_digit(i + 2) && is_digit(i + 3)) {
            label += static_cast<char>((text[i + 1] - '0') * 100 + (text[i + 2] - '0') * 10 + (text[i + 3] - '0'));
            i += 3;
        }
        else if (text[i] == '\\' && i + 1 < text.size())
            label += text[++i];
        else
            label += text[i];
    }
    if (!text.empty() && !end_label()) return std::nullopt;
    out.push_back(0);
    if (out.size() > dns::max_name_wire) return std::nullopt;
    return out;
}

std::vector<std::uint8_t> packet_of(const std::vector<std::uint8_t>& qname, std::uint16_t qtype)
{
    std::vector<std::uint8_t> out{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}; // RD, one question
    out.insert(out.end(), qname.begin(), qname.end());
    out.push_back(static_cast<std::uint8_t>(qtype >> 8));
    out.push_back(static_cast<std::uint8_t>(qtype & 0xFF));
    out.insert(out.end(), {0, 1});
    return out;
}

/// What became of one query.
struct replayed {
    std::string_view action = "refuse"; // allow: it leaves; cache: it does not leave, and is answered
    reason why = reason::malformed_name;
    std::string domain; // whose refusals it counts among
    std::optional<dns::charge> paid;
};

/// One job: its inspector and its budget.
class replayed_job {
public:
    replayed_job(const config::settings& settings, std::shared_ptr<const policy::policy> rules, const dns::name_model& model)
        : rules_(std::move(rules)), names_(settings.dns.virtual_range, settings.dns.max_names),
          budget_(budget_of(settings), model),
          inspector_(settings.dns, names_, budget_,
                     {[this](std::string_view name, std::uint16_t qtype) { return judge(name, qtype); }})
    {
    }

    replayed put(const trace_line& line)
    {
        replayed out;
        out.domain = std::string(purchased_domain(line.qname));
        const auto qname = wire_of(line.qname);
        if (!qname) { // no client can send it
            out.paid = budget_.block(out.domain, {});
        }
        else {
            const auto type = dns::parse_type(line.qtype).value_or(0); // a type without a name here is not carried
            const auto packet = packet_of(*qname, type);
            auto outcome = inspector_.inspect(packet, dns::transport::udp, {}, 0, {});
            if (auto* passed = std::get_if<dns::passed>(&outcome))
                pass(*passed, out);
            else if (auto* answered = std::get_if<dns::answer>(&outcome))
                answer(answered->facts, out);
        }
        if (out.paid && out.paid->tier != dns::name_tier::known) out.domain = std::string(out.paid->key.view());
        refused_ = refused_ || out.action == "refuse";
        return out;
    }

    /// Payload bytes count until the first refusal of their domain.
    double leaked(const replayed& said, double payload)
    {
        if (said.action == "refuse") closed_.insert(said.domain);
        return said.action == "allow" && !closed_.contains(said.domain) ? payload : 0;
    }
    bool any_refused() const noexcept { return refused_; }

private:
    static void pass(const dns::judged_query& query, replayed& out)
    {
        out.why = query.verdict.why;
        out.paid = query.paid;
        const bool kept = !query.paid || query.paid->paid_before;
        out.action = kept ? "cache" : "allow";
    }
    static void answer(const dns::query_facts& facts, replayed& out)
    {
        out.why = facts.decision.why;
        out.paid = facts.paid;
        if (facts.decision.allowed) out.action = "cache"; // answered by the gateway itself
    }

    dns::policy_answer judge(std::string_view name, std::uint16_t qtype) const
    {
        if (rules_) return to_policy_answer(rules_->decide(policy::name_query{name, qtype}));
        dns::policy_answer out;
        out.allowed = out.would_allow = true;
        out.why = reason::completed;
        return out;
    }

    std::shared_ptr<const policy::policy> rules_;
    dns::bindings names_;
    dns::budget budget_;
    dns::inspector inspector_;
    std::set<std::string> closed_;
    bool refused_ = false;
};

/// All jobs of a replay, with their sums.
class replay {
public:
    explicit replay(const replay_request& request)
        : request_(request), settings_(config::load(request.policy, {})),
          rules_(request.policy.empty() ? nullptr : policy::policy::compile(settings_.policy))
    {
        if (!request.model.empty()) model_.emplace(request.model);
    }

    void run()
    {
        start_job();
        for (std::size_t i = 0; i < request_.traces.size(); ++i) {
            if (i > 0 && request_.job_per_file) start_job();
            const auto& path = request_.traces[i];
            if (path == "-") {
                read_trace(std::cin, "<stdin>");
                continue;
            }
            std::ifstream in(path, std::ios::binary);
            if (!in) throw config::config_error({path, 0, 0}, "can't be read");
            read_trace(in, path);
        }
        if (!request_.audit.empty()) {
            if (!request_.traces.empty() && request_.job_per_file) start_job();
            read_audit();
        }
        end_job();
        print_sums();
    }

private:
    void start_job()
    {
        end_job();
        job_.emplace(settings_, rules_, model_ ? model_->model() : dns::name_model::shipped());
        ++jobs_;
    }

    void end_job()
    {
        if (job_ && job_->any_refused()) ++jobs_refused_;
        job_.reset();
    }

    void read_trace(std::istream& in, const std::string& file)
    {
        std::string text;
        for (int number = 1; std::getline(in, text); ++number) {
            if (text.ends_with('\r')) text.pop_back();
            if (!text.empty()) put(parse_line(text, {file, number, 1}));
        }
    }

    void read_audit()
    {
        std::ifstream in(request_.audit, std::ios::binary);
        if (!in) throw config::config_error({request_.audit, 0, 0}, "can't be read");
        audit::log_reader log(in);
        for (auto line = log.next(); line || line.error() != errc::closed; line = log.next()) {
            const policy::location where{request_.audit, static_cast<int>(log.line()), 1};
            if (!line) throw config::config_error(where, "not a line of an audit log: " + line.error().message());
            const auto* query = std::get_if<audit::dns_fields>(&line->entry.what);
            if (query != nullptr && !query->qname.empty()) put({query->qname, query->qtype, 0});
        }
    }

    static double parse_number(std::string_view text, const policy::location& where, const char* what)
    {
        double out = 0;
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
        const bool good = ec == std::errc() && end == text.data() + text.size() && std::isfinite(out) && out >= 0;
        if (!good) throw config::config_error(where, std::string(what) + " is not a number of zero or more");
        return out;
    }

    static trace_line parse_line(std::string_view text, const policy::location& where)
    {
        std::vector<std::string_view> fields;
        for (std::size_t from = 0; from <= text.size();) {
            const auto tab = std::min(text.find('\t', from), text.size());
            fields.push_back(text.substr(from, tab - from));
            from = tab + 1;
        }
        if (fields.size() < 3 || fields.size() > 4 || fields[1].empty() || fields[2].empty())
            throw config::config_error(where, "expected time, qtype, qname and perhaps payload bytes, separated by tabs");
        parse_number(fields[0], where, "the time");
        trace_line out{std::string(fields[2]), std::string(fields[1]), 0};
        if (fields.size() == 4) out.payload_bytes = parse_number(fields[3], where, "the number of payload bytes");
        return out;
    }

    void put(const trace_line& line)
    {
        const auto said = job_->put(line);
        ++queries_;
        ++counts_[said.action];
        leaked_ += job_->leaked(said, line.payload_bytes);
        std::string text;
        audit::json_appender json(text);
        json.open();
        json.text("qname", line.qname);
        json.text("qtype", line.qtype);
        json.text("action", said.action);
        json.text("reason", to_string(said.why));
        json.text("tier", said.paid ? dns::to_string(said.paid->tier) : std::string_view());
        json.text("key", said.paid ? said.paid->key.view() : std::string_view(said.domain));
        const auto cost = !said.paid || said.action == "cache" ? 0 : said.action == "allow" ? said.paid->cost : said.paid->price;
        json.real("cost_bits", cost / 8.0);
        json.real("spent_bits", said.paid ? said.paid->spent / 8.0 : 0.0);
        json.close();
        std::printf("%s\n", text.c_str());
    }

    void print_sums()
    {
        std::string text;
        audit::json_appender json(text);
        json.open();
        json.number("queries", queries_);
        json.number("allowed", counts_["allow"]);
        json.number("refused", counts_["refuse"]);
        json.number("cached", counts_["cache"]);
        json.real("leaked_bytes", leaked_);
        json.number("jobs", jobs_);
        json.number("jobs_refused", jobs_refused_);
        json.close();
        std::printf("%s\n", text.c_str());
    }

    const replay_request& request_;
    const config::settings settings_;
    std::shared_ptr<const policy::policy> rules_;
    std::optional<model_folder> model_;
    std::optional<replayed_job> job_;
    std::uint64_t queries_ = 0, jobs_ = 0, jobs_refused_ = 0;
    std::map<std::string_view, std::uint64_t> counts_;
    double leaked_ = 0;
};

} // namespace

int replay_dns_command(const replay_request& request)
{
    replay(request).run();
    return 0;
}

} // namespace cofferdam::gateway
