#include "nft/io/queue_reader.hpp"

#include "nft/io/netlink.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>

namespace cofferdam::nft {
namespace {

constexpr std::size_t attributes_size = 512; // all that comes with a packet, three times over

} // namespace

/// Room for a batch of messages.
class queue_reader::receive_slots {
public:
    explicit receive_slots(std::size_t message_size) : size_((message_size + 7) / 8 * 8), bytes_(size_ * batch)
    {
        for (std::size_t i = 0; i < batch; ++i) {
            parts_[i] = {bytes_.data() + i * size_, size_};
            messages_[i].msg_hdr.msg_iov = &parts_[i];
            messages_[i].msg_hdr.msg_iovlen = 1;
        }
    }
    receive_slots(const receive_slots&) = delete;
    receive_slots& operator=(const receive_slots&) = delete;

    /// As recvmmsg(2), without waiting.
    int receive(int socket) noexcept { return ::recvmmsg(socket, messages_.data(), batch, MSG_DONTWAIT, nullptr); }
    byte_view operator[](std::size_t i) const noexcept { return {bytes_.data() + i * size_, messages_[i].msg_len}; }

private:
    std::size_t size_;
    std::vector<std::uint8_t> bytes_;
    std::array<iovec, batch> parts_{};
    std::array<mmsghdr, batch> messages_{};
};

queue_reader::queue_reader(descriptor socket, std::uint16_t number, std::uint32_t copy_range, queue_calls calls)
    : socket_(std::move(socket)), wake_up_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), copy_range_(copy_range),
      calls_(std::move(calls)), verdicts_(number)
{
    if (!wake_up_) throw std::system_error(errno, std::system_category(), "eventfd");
}

void queue_reader::run()
{
    receive_slots slots(copy_range_ + attributes_size);
    bool more = false; // a full batch: there is likely another
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (!more && !wait()) continue;
        const int count = slots.receive(socket_.number());
        for (int i = 0; i < count; ++i) take(slots[static_cast<std::size_t>(i)]);
        if (count > 0 && calls_.judged) calls_.judged();
        if (count > 0) send_verdicts();
        more = count == static_cast<int>(batch);
    }
}

void queue_reader::stop() noexcept
{
    stopping_.store(true, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    if (::write(wake_up_.number(), &one, sizeof one) < 0) return; // the counter is full: it is awake already
}

bool queue_reader::wait() const
{
    std::array<pollfd, 2> watched{{{socket_.number(), POLLIN, 0}, {wake_up_.number(), POLLIN, 0}}};
    return ::poll(watched.data(), watched.size(), -1) > 0 && watched[0].revents != 0;
}

void queue_reader::take(byte_view datagram)
{
    const auto packet = decode_queued(datagram);
    if (!packet) {
        // ENOENT: a verdict on packets of which none is left; that is so after each loss.
        const bool expected =
            packet.error() == errc::unsupported || packet.error() == error_code(ENOENT, boost::system::system_category());
        if (!expected && calls_.failure) calls_.failure("packet queue: " + packet.error().message());
        return;
    }
    const auto missing = verdicts_.add(packet->id, judge(*packet));
    if (missing != 0 && calls_.lost) calls_.lost(missing);
}

queue_verdict queue_reader::judge(const queued_packet& packet)
{
    try {
        return calls_.judge(packet);
    }
    catch (const std::exception& e) {
        if (calls_.failure) calls_.failure(e.what());
        return queue_verdict::drop;
    }
}

void queue_reader::send_verdicts()
{
    const auto bytes = verdicts_.finish();
    bool sent = true;
    if (!bytes.empty()) {
        sent = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
        if (!sent && calls_.failure) calls_.failure("packet queue: verdicts: " + last_error().message());
    }
    verdicts_.clear(sent);
}

} // namespace cofferdam::nft
