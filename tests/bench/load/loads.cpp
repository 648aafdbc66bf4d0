#include "loads.hpp"

#include "event_loop.hpp"

#include <algorithm>
#include <barrier>
#include <cstdio>
#include <deque>
#include <mutex>
#include <sys/timerfd.h>
#include <thread>

namespace bench {
namespace {

constexpr double patience = 30; // seconds without which a connection has failed
constexpr std::size_t opening_at_once = 64;

clock::time_point after(clock::time_point start, double seconds)
{
    return start + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
}

void note_failure(outcome& out, const connection& failed)
{
    ++out.failed;
    if (out.error.empty()) out.error = failed.error().empty() ? "no answer in time" : failed.error();
}

void merge(outcome& into, outcome&& part)
{
    into.latencies.insert(into.latencies.end(), part.latencies.begin(), part.latencies.end());
    into.failed += part.failed;
    into.resumed += part.resumed;
    into.elapsed = std::max(into.elapsed, part.elapsed);
    if (into.error.empty()) into.error = part.error;
}

/// `load(share)` on each thread, the connections dealt out evenly.
template <class Load>
outcome on_threads(const options& given, Load load)
{
    outcome all;
    std::mutex lock;
    std::vector<std::jthread> threads;
    options share = given;
    share.connections = given.connections / given.threads;
    for (int i = 0; i < given.threads; ++i)
        threads.emplace_back([&] {
            outcome part = load(share);
            const std::scoped_lock held(lock);
            merge(all, std::move(part));
        });
    threads.clear();
    return all;
}

/// Connections by slot in one event loop. `on_answer(slot)` and `on_failure(slot)` may replace, ask again or remove.
class crowd {
public:
    explicit crowd(const options& given) : context_(client_context(given.roots)), slots_(given.connections) {}

    SSL_CTX* context() const { return context_.get(); }
    std::size_t open() const { return open_; }
    bool has(std::size_t slot) const { return slots_[slot] != nullptr; }
    connection& at(std::size_t slot) { return *slots_[slot]; }

    void start(std::size_t slot, const target& wanted, SSL_SESSION* resume = nullptr)
    {
        slots_[slot] = std::make_unique<connection>(context_.get(), wanted, resume);
        ++open_;
        loop_.add(slots_[slot]->descriptor(), slot);
    }

    void remove(std::size_t slot)
    {
        slots_[slot]->close();
        slots_[slot].reset();
        --open_;
    }

    event_loop& loop() { return loop_; }

    template <class OnAnswer, class OnFailure>
    void drive(std::size_t slot, OnAnswer on_answer, OnFailure on_failure)
    {
        if (slot >= slots_.size() || !slots_[slot]) return;
        const auto status = slots_[slot]->step();
        if (status == connection::status::answered) on_answer(slot);
        if (status == connection::status::failed) on_failure(slot);
    }

    template <class OnSlot>
    void each(OnSlot on_slot)
    {
        for (std::size_t slot = 0; slot < slots_.size(); ++slot)
            if (slots_[slot]) on_slot(slot);
    }

private:
    context_ptr context_;
    event_loop loop_;
    std::vector<std::unique_ptr<connection>> slots_;
    std::size_t open_ = 0;
};

/// Until no connection is left, or `limit`; what is left then has failed.
template <class OnAnswer, class OnFailure>
void run(crowd& all, outcome& out, clock::time_point start, clock::time_point limit, OnAnswer on_answer, OnFailure on_failure)
{
    while (all.open() > 0 && clock::now() < limit)
        all.loop().wait(100, [&](std::uint64_t slot) { all.drive(slot, on_answer, on_failure); });
    all.each([&](std::size_t slot) { note_failure(out, all.at(slot)); });
    out.elapsed = std::chrono::duration<double>(clock::now() - start).count();
}

outcome handshakes_here(const options& given)
{
    outcome out;
    crowd all(given);
    std::vector<session_ptr> sessions(given.connections);
    const auto start = clock::now();
    const auto end = after(start, given.seconds);
    const auto next = [&](std::size_t slot) {
        all.remove(slot);
        if (clock::now() < end) all.start(slot, given.wanted, sessions[slot].get());
    };
    const auto answered = [&](std::size_t slot) {
        out.latencies.push_back(all.at(slot).seconds());
        out.resumed += all.at(slot).resumed();
        if (given.resume) sessions[slot] = all.at(slot).session();
        next(slot);
    };
    const auto failed = [&](std::size_t slot) {
        note_failure(out, all.at(slot));
        next(slot);
    };
    for (int slot = 0; slot < given.connections; ++slot) all.start(slot, given.wanted);
    run(all, out, start, after(end, patience), answered, failed);
    return out;
}

/// Opens all, a few at a time, and asks once on each; false if one failed.
bool open_all(crowd& all, const options& given, outcome& out)
{
    std::size_t begun = 0, answered = 0;
    const auto limit = after(clock::now(), 4 * patience);
    const auto total = static_cast<std::size_t>(given.connections);
    const auto on_answer = [&](std::size_t) { ++answered; };
    const auto on_failure = [&](std::size_t slot) {
        note_failure(out, all.at(slot));
        all.remove(slot);
    };
    while (answered < total && out.failed == 0 && clock::now() < limit) {
        while (begun < total && begun - answered < opening_at_once) all.start(begun++, given.wanted);
        all.loop().wait(100, [&](std::uint64_t slot) { all.drive(slot, on_answer, on_failure); });
    }
    if (answered < total && out.failed == 0) out.error = "not all connections opened in time", out.failed = total - answered;
    return out.failed == 0;
}

/// Tells whoever measures that every connection is open: from here on the load counts.
void say_open()
{
    std::puts("open");
    std::fflush(stdout);
}

using gate = std::barrier<void (*)() noexcept>;

outcome keep_alive_here(const options& given, gate& opened)
{
    outcome out;
    crowd all(given);
    const bool good = open_all(all, given, out);
    opened.arrive_and_wait();
    if (!good) return out;
    const auto start = clock::now();
    const auto end = after(start, given.seconds);
    const auto failed = [&](std::size_t slot) {
        note_failure(out, all.at(slot));
        all.remove(slot);
    };
    // An answer may come at once: then there is no further edge, so the next request is driven here.
    const auto ask_on = [&](std::size_t slot) {
        auto status = connection::status::answered;
        while (status == connection::status::answered) {
            const auto now = clock::now();
            if (now >= end) return all.remove(slot);
            all.at(slot).ask(now);
            status = all.at(slot).step();
            if (status == connection::status::answered) out.latencies.push_back(all.at(slot).seconds());
        }
        if (status == connection::status::failed) failed(slot);
    };
    const auto answered = [&](std::size_t slot) {
        out.latencies.push_back(all.at(slot).seconds());
        ask_on(slot);
    };
    all.each(ask_on);
    run(all, out, start, after(end, patience), answered, failed);
    return out;
}

/// Fires once an interval; reading it tells how often it has.
class ticker {
public:
    explicit ticker(double interval) : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC))
    {
        const long nanoseconds = static_cast<long>(interval * 1e9);
        const timespec every{.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000};
        const itimerspec spec{.it_interval = every, .it_value = every};
        timerfd_settime(fd_, 0, &spec, nullptr);
    }
    ~ticker() { ::close(fd_); }
    ticker(const ticker&) = delete;
    ticker& operator=(const ticker&) = delete;

    int descriptor() const { return fd_; }
    std::uint64_t fired() const
    {
        std::uint64_t count = 0;
        return read(fd_, &count, sizeof count) == sizeof count ? count : 0;
    }

private:
    int fd_;
};

} // namespace

outcome handshakes(const options& given)
{
    return on_threads(given, handshakes_here);
}

outcome keep_alive(const options& given)
{
    gate opened(given.threads, []() noexcept { say_open(); });
    return on_threads(given, [&](const options& share) { return keep_alive_here(share, opened); });
}

outcome offered(const options& given)
{
    outcome out;
    crowd all(given);
    if (!open_all(all, given, out)) return out;
    std::deque<std::size_t> free;
    std::deque<clock::time_point> due;
    for (int slot = 0; slot < given.connections; ++slot) free.push_back(slot);
    const auto failed = [&](std::size_t slot) {
        note_failure(out, all.at(slot));
        all.remove(slot);
    };
    const auto answered = [&](std::size_t slot) {
        out.latencies.push_back(all.at(slot).seconds());
        free.push_back(slot);
    };
    say_open();
    const auto interval = after({}, 1 / given.rate).time_since_epoch();
    const auto total = static_cast<std::size_t>(given.rate * given.seconds);
    const auto start = clock::now();
    const ticker tick(1 / given.rate);
    all.loop().add(tick.descriptor(), given.connections, EPOLLIN);
    std::size_t scheduled = 0;
    while (out.latencies.size() + out.failed < total && clock::now() < after(start, given.seconds + patience)) {
        all.loop().wait(100, [&](std::uint64_t slot) {
            if (slot != static_cast<std::uint64_t>(given.connections)) return all.drive(slot, answered, failed);
            for (auto count = tick.fired(); count > 0 && scheduled < total; --count)
                due.push_back(start + ++scheduled * interval);
        });
        for (; !due.empty() && !free.empty(); due.pop_front(), free.pop_front()) {
            if (!all.has(free.front())) continue; // lost while it was idle; what was due counts as failed
            all.at(free.front()).ask(due.front());
            all.drive(free.front(), answered, failed);
        }
    }
    out.failed = total - out.latencies.size();
    out.elapsed = std::chrono::duration<double>(clock::now() - start).count();
    return out;
}

outcome cold(const options& given)
{
    outcome out;
    options one = given;
    one.connections = 1;
    crowd all(one);
    const auto start = clock::now();
    const auto ended = [&](std::size_t slot) { all.remove(slot); };
    const auto answered = [&](std::size_t slot) {
        out.latencies.push_back(all.at(slot).seconds());
        ended(slot);
    };
    const auto failed = [&](std::size_t slot) {
        note_failure(out, all.at(slot));
        ended(slot);
    };
    for (const std::string& host : given.hosts) {
        target wanted = given.wanted;
        wanted.host = host;
        all.start(0, wanted);
        const auto limit = after(clock::now(), patience);
        while (all.open() > 0 && clock::now() < limit)
            all.loop().wait(100, [&](std::uint64_t slot) { all.drive(slot, answered, failed); });
        if (all.open() > 0) failed(0);
    }
    out.elapsed = std::chrono::duration<double>(clock::now() - start).count();
    return out;
}

outcome burst(const options& given)
{
    outcome out;
    crowd all(given);
    const auto start = clock::now();
    const auto answered = [&](std::size_t slot) {
        out.latencies.push_back(std::chrono::duration<double>(clock::now() - start).count());
        all.remove(slot);
    };
    const auto failed = [&](std::size_t slot) {
        note_failure(out, all.at(slot));
        all.remove(slot);
    };
    for (int slot = 0; slot < given.connections; ++slot) all.start(slot, given.wanted);
    run(all, out, start, after(start, given.seconds), answered, failed);
    return out;
}

outcome idle(const options& given)
{
    outcome out;
    crowd all(given);
    const auto start = clock::now();
    if (!open_all(all, given, out)) return out;
    say_open();
    while (std::getchar() != EOF) {}
    const auto failed = [&](std::size_t slot) {
        note_failure(out, all.at(slot));
        all.remove(slot);
    };
    const auto total = static_cast<std::size_t>(given.connections);
    std::size_t asked = 0;
    const auto answered = [&](std::size_t slot) {
        out.latencies.push_back(all.at(slot).seconds());
        all.remove(slot);
    };
    while (all.open() > 0 && clock::now() < after(start, 4 * patience)) {
        for (; asked < total && asked - out.latencies.size() - out.failed < opening_at_once; ++asked) {
            if (!all.has(asked)) continue;
            all.at(asked).ask(clock::now());
            all.drive(asked, answered, failed);
        }
        all.loop().wait(100, [&](std::uint64_t slot) { all.drive(slot, answered, failed); });
    }
    all.each([&](std::size_t slot) { note_failure(out, all.at(slot)); });
    return out;
}

} // namespace bench
