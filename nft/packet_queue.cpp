#include "nft/packet_queue.hpp"

#include "nft/netlink_reader.hpp"

#include <array>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

namespace cofferdam::nft {
namespace {

constexpr std::size_t message_size = 128; // the largest of ours is half of it
constexpr std::uint16_t packet_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
constexpr std::size_t attribute_limit = 64; // more than NFQA_MAX of any kernel and library so far

using message_buffer = std::array<char, message_size>;

nlmsghdr* begin(message_buffer& buffer, int type, std::uint16_t queue)
{
    return nfq_nlmsg_put(buffer.data(), type, queue);
}

std::vector<std::uint8_t> bytes_of(const nlmsghdr* message)
{
    const auto* first = reinterpret_cast<const std::uint8_t*>(message);
    return {first, first + NLMSG_ALIGN(message->nlmsg_len)};
}

result<queued_packet> read_packet(const nlmsghdr* message) noexcept
{
    std::array<nlattr*, attribute_limit> found{};
    if (nfq_nlmsg_parse(message, found.data()) < 0) return errc::malformed;
    const auto* header = found[NFQA_PACKET_HDR];
    if (header == nullptr || mnl_attr_get_payload_len(header) < sizeof(nfqnl_msg_packet_hdr)) return errc::malformed;
    queued_packet out;
    out.id = be32toh(static_cast<const nfqnl_msg_packet_hdr*>(mnl_attr_get_payload(header))->packet_id);
    if (const auto* payload = found[NFQA_PAYLOAD])
        out.bytes = {static_cast<const std::uint8_t*>(mnl_attr_get_payload(payload)), mnl_attr_get_payload_len(payload)};
    const auto* length = found[NFQA_CAP_LEN];
    const bool cut = length != nullptr && mnl_attr_get_payload_len(length) >= sizeof(std::uint32_t);
    out.length = cut ? be32toh(mnl_attr_get_u32(length)) : static_cast<std::uint32_t>(out.bytes.size());
    const auto* mark = found[NFQA_MARK];
    if (mark != nullptr && mnl_attr_get_payload_len(mark) >= sizeof(std::uint32_t)) out.mark = be32toh(mnl_attr_get_u32(mark));
    return out;
}

} // namespace

std::vector<std::vector<std::uint8_t>> encode_queue_setup(std::uint16_t number, const queue_limits& limits)
{
    std::vector<std::vector<std::uint8_t>> out;
    const auto request = [&](auto add) {
        alignas(nlmsghdr) message_buffer buffer{};
        auto* message = begin(buffer, NFQNL_MSG_CONFIG, number);
        message->nlmsg_flags |= NLM_F_ACK;
        add(message);
        out.push_back(bytes_of(message));
    };
    request([](nlmsghdr* m) { nfq_nlmsg_cfg_put_cmd(m, AF_UNSPEC, NFQNL_CFG_CMD_BIND); });
    request([&](nlmsghdr* m) {
        nfq_nlmsg_cfg_put_params(m, NFQNL_COPY_PACKET, static_cast<int>(limits.copy_range));
        nfq_nlmsg_cfg_put_qmaxlen(m, limits.length);
        mnl_attr_put_u32(m, NFQA_CFG_MASK, htobe32(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO));
        mnl_attr_put_u32(m, NFQA_CFG_FLAGS, 0);
    });
    return out;
}

result<queued_packet> decode_queued(byte_view datagram) noexcept
{
    // Framed by our own reader: mnl_nlmsg_ok takes a length of 2^31 and more for a negative one, and passes it.
    auto rest = datagram;
    const auto message = next_message(rest);
    if (!message) return message.error();
    if (message->header.nlmsg_type == NLMSG_ERROR) {
        const auto error = acknowledged_error(message->payload);
        return error ? error : make_error_code(errc::unsupported);
    }
    if (message->header.nlmsg_type != packet_type) return errc::unsupported;
    if (message->payload.size() < sizeof(nfgenmsg)) return errc::malformed;
    return read_packet(reinterpret_cast<const nlmsghdr*>(datagram.data()));
}

std::uint32_t verdict_batch::add(std::uint32_t id, queue_verdict verdict)
{
    const std::uint32_t missing = id - last_ - 1; // wraps as the kernel's counter does
    if (missing != 0 || unsettled_) {
        close_run();
        if (id != 1) put(NFQNL_MSG_VERDICT_BATCH, id - 1, queue_verdict::drop);
        unsettled_ = false;
    }
    if (run_ != 0 && run_verdict_ != verdict) close_run();
    run_verdict_ = verdict;
    last_ = id;
    ++run_;
    return missing;
}

byte_view verdict_batch::finish()
{
    close_run();
    return messages_;
}

void verdict_batch::clear(bool sent) noexcept
{
    messages_.clear();
    unsettled_ = unsettled_ || !sent;
}

void verdict_batch::close_run()
{
    if (run_ != 0) put(run_ == 1 ? NFQNL_MSG_VERDICT : NFQNL_MSG_VERDICT_BATCH, last_, run_verdict_);
    run_ = 0;
}

void verdict_batch::put(std::uint16_t type, std::uint32_t id, queue_verdict verdict)
{
    alignas(nlmsghdr) message_buffer buffer{};
    auto* message = begin(buffer, type, queue_);
    nfq_nlmsg_verdict_put(message, static_cast<int>(id), verdict == queue_verdict::accept ? NF_ACCEPT : NF_DROP);
    const auto* first = reinterpret_cast<const std::uint8_t*>(message);
    messages_.insert(messages_.end(), first, first + NLMSG_ALIGN(message->nlmsg_len));
}

} // namespace cofferdam::nft
