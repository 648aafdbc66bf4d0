#include "nft/netlink_reader.hpp"
#include "nft/packet_queue.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <map>
#include <string>

namespace cofferdam::nft {
namespace {

constexpr auto accept = queue_verdict::accept;
constexpr auto drop = queue_verdict::drop;

std::map<std::uint16_t, std::vector<std::uint8_t>> attributes_of(byte_view payload)
{
    std::map<std::uint16_t, std::vector<std::uint8_t>> out;
    auto rest = payload.subspan(sizeof(nfgenmsg));
    while (!rest.empty()) {
        const auto a = next_attribute(rest).value();
        out[a.type] = {a.value.begin(), a.value.end()};
    }
    return out;
}

using octets = std::vector<std::uint8_t>;

/// "one 3 accept", "upto 7 drop": what a batch says, in its order.
std::vector<std::string> said(verdict_batch& batch)
{
    std::vector<std::string> out;
    byte_view rest = batch.finish();
    while (!rest.empty()) {
        const auto message = next_message(rest).value();
        EXPECT_EQ(NFNL_SUBSYS_QUEUE, message.header.nlmsg_type >> 8);
        EXPECT_EQ(htons(5), read_structure<nfgenmsg>(message.payload)->res_id);
        const auto found = attributes_of(message.payload);
        const auto verdict = read_structure<nfqnl_msg_verdict_hdr>(found.at(NFQA_VERDICT_HDR)).value();
        const bool one = (message.header.nlmsg_type & 0xFF) == NFQNL_MSG_VERDICT;
        EXPECT_TRUE(one || (message.header.nlmsg_type & 0xFF) == NFQNL_MSG_VERDICT_BATCH);
        out.push_back((one ? "one " : "upto ") + std::to_string(ntohl(verdict.id)) +
                      (ntohl(verdict.verdict) == NF_ACCEPT ? " accept" : " drop"));
    }
    batch.clear();
    return out;
}

using texts = std::vector<std::string>;

TEST(packet_queue, is_bound_without_any_way_to_fail_open)
{
    const auto requests = encode_queue_setup(5, {1000, 4608});
    ASSERT_EQ(2U, requests.size());
    for (const auto& bytes : requests) {
        byte_view rest(bytes);
        const auto message = next_message(rest).value();
        EXPECT_TRUE(rest.empty());
        EXPECT_EQ(NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, message.header.nlmsg_type);
        EXPECT_EQ(NLM_F_REQUEST | NLM_F_ACK, message.header.nlmsg_flags);
        EXPECT_EQ(htons(5), read_structure<nfgenmsg>(message.payload)->res_id);
    }
    byte_view first(requests[0]), second(requests[1]);
    EXPECT_EQ((octets{NFQNL_CFG_CMD_BIND, 0, 0, 0}), attributes_of(next_message(first)->payload).at(NFQA_CFG_CMD));
    auto limits = attributes_of(next_message(second)->payload);
    EXPECT_EQ((octets{0, 0, 0x12, 0, NFQNL_COPY_PACKET}), limits.at(NFQA_CFG_PARAMS));
    EXPECT_EQ((octets{0, 0, 0x03, 0xE8}), limits.at(NFQA_CFG_QUEUE_MAXLEN));
    EXPECT_EQ((octets{0, 0, 0, NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO}), limits.at(NFQA_CFG_MASK));
    EXPECT_EQ((octets{0, 0, 0, 0}), limits.at(NFQA_CFG_FLAGS));
}

TEST(packet_queue, runs_of_one_verdict_are_one_message)
{
    verdict_batch batch(5);
    EXPECT_EQ(texts{}, said(batch));
    for (std::uint32_t id = 1; id <= 64; ++id) EXPECT_EQ(0U, batch.add(id, accept));
    EXPECT_EQ(texts{"upto 64 accept"}, said(batch));
    for (const auto& [id, verdict] :
         std::map<std::uint32_t, queue_verdict>{{65, accept}, {66, drop}, {67, accept}, {68, accept}, {69, drop}, {70, drop}})
        batch.add(id, verdict);
    EXPECT_EQ((texts{"one 65 accept", "one 66 drop", "upto 68 accept", "upto 70 drop"}), said(batch));
}

TEST(packet_queue, what_was_not_read_is_never_accepted_with_its_neighbours)
{
    verdict_batch batch(5);
    EXPECT_EQ(2U, batch.add(3, accept));
    EXPECT_EQ(0U, batch.add(4, accept));
    EXPECT_EQ(5U, batch.add(10, accept));
    EXPECT_EQ((texts{"upto 2 drop", "upto 4 accept", "upto 9 drop", "one 10 accept"}), said(batch));
    EXPECT_EQ(1U, batch.add(12, drop)); // also between two batches
    EXPECT_EQ((texts{"upto 11 drop", "one 12 drop"}), said(batch));
}

TEST(packet_queue, verdicts_that_did_not_reach_the_kernel_become_drops)
{
    verdict_batch batch(5);
    batch.add(1, drop);
    batch.add(2, accept);
    batch.finish();
    batch.clear(false);
    EXPECT_EQ(0U, batch.add(3, accept));
    EXPECT_EQ((texts{"upto 2 drop", "one 3 accept"}), said(batch));
    batch.add(4, accept);
    EXPECT_EQ(texts{"one 4 accept"}, said(batch));
}

TEST(packet_queue, ids_wrap)
{
    verdict_batch batch(5);
    batch.add(0xFFFFFFFF, accept);
    said(batch);
    EXPECT_EQ(0U, batch.add(0, accept));
    EXPECT_EQ(1U, batch.add(2, accept));
    EXPECT_EQ((texts{"one 0 accept", "upto 1 drop", "one 2 accept"}), said(batch));
}

/// Netlink messages of the kernel, put together by hand.
class message {
public:
    explicit message(std::uint16_t type, byte_view fixed) : bytes_(sizeof(nlmsghdr))
    {
        type_ = type;
        append(fixed);
    }
    message& attribute(std::uint16_t type, byte_view value)
    {
        nlattr header{static_cast<std::uint16_t>(sizeof(nlattr) + value.size()), type};
        append({reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
        append(value);
        return *this;
    }
    octets finish() const
    {
        auto out = bytes_;
        nlmsghdr header{static_cast<std::uint32_t>(out.size()), type_, 0, 0, 0};
        std::memcpy(out.data(), &header, sizeof header);
        return out;
    }

private:
    void append(byte_view value)
    {
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        bytes_.resize(netlink_aligned(bytes_.size()));
    }
    std::uint16_t type_;
    octets bytes_;
};

message packet_message()
{
    const std::uint8_t generic[4] = {2, 0, 0, 5};
    return message(NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, generic);
}

TEST(packet_queue, a_packet_is_read_with_its_id_and_length)
{
    const octets header{0, 0, 1, 2, 8, 0, 3}, payload{0x45, 1, 2, 3, 4}, length{0, 0, 0x20, 0};
    const auto bytes = packet_message().attribute(NFQA_PACKET_HDR, header).attribute(NFQA_PAYLOAD, payload).finish();
    const auto whole = decode_queued(bytes).value();
    EXPECT_EQ(0x102U, whole.id);
    EXPECT_EQ(payload, octets(whole.bytes.begin(), whole.bytes.end()));
    EXPECT_EQ(5U, whole.length);
    const auto cut = packet_message()
                         .attribute(NFQA_PACKET_HDR, header)
                         .attribute(NFQA_CAP_LEN, length)
                         .attribute(NFQA_PAYLOAD, payload)
                         .finish();
    EXPECT_EQ(0x2000U, decode_queued(cut)->length);
    EXPECT_EQ(0U, whole.mark);
    const octets mark{0x0c, 0xf0, 0, 1};
    const auto marked = packet_message().attribute(NFQA_PACKET_HDR, header).attribute(NFQA_MARK, mark).finish();
    EXPECT_EQ(0xCF00001U, decode_queued(marked)->mark);
    for (std::size_t n = 0; n < bytes.size() - 3; ++n) EXPECT_FALSE(decode_queued(byte_view(bytes).first(n)).has_value()) << n;
}

TEST(packet_queue, what_is_no_packet_is_told_apart)
{
    EXPECT_EQ(errc::malformed, decode_queued(packet_message().finish()).error()); // without an id
    EXPECT_EQ(errc::malformed, decode_queued(packet_message().attribute(NFQA_PACKET_HDR, octets(3)).finish()).error());
    nlmsgerr answer{};
    const byte_view fixed(reinterpret_cast<const std::uint8_t*>(&answer), sizeof answer);
    EXPECT_EQ(errc::unsupported, decode_queued(message(NLMSG_ERROR, fixed).finish()).error());
    answer.error = -ENOENT;
    EXPECT_EQ(error_code(ENOENT, boost::system::system_category()), decode_queued(message(NLMSG_ERROR, fixed).finish()).error());
    EXPECT_EQ(errc::malformed, decode_queued(message(NLMSG_ERROR, {}).finish()).error());
    auto endless = packet_message().finish();
    endless[3] = 0xD1; // a length that is negative, if it is read so
    EXPECT_EQ(errc::malformed, decode_queued(endless).error());
    EXPECT_EQ(errc::unsupported, decode_queued(message(NLMSG_DONE, {}).finish()).error());
}

} // namespace
} // namespace cofferdam::nft
