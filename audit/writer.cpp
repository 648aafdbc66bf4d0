#include "audit/writer.hpp"

#include "audit/json.hpp"
#include "audit/summary.hpp"
#include "core/io/thread_name.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <thread>

namespace cofferdam::audit {
namespace {

/// Records are written in batches, a while after what they tell of: those who answer clients just now go first (sched(7),
/// SCHED_BATCH). It keeps its share of the processor.
void work_in_background() noexcept
{
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_BATCH, &none);
}

using namespace std::chrono_literals;

constexpr std::size_t reserved_bytes = 1024;    // what a record counts for until it is committed
constexpr std::size_t batch_bytes = 256U << 10; // one write() at most, but for the last record of it
constexpr auto first_retry = 20ms;
constexpr auto last_retry = 1000ms;
constexpr auto sink_patience = 100ms; // how often a blocked sink looks whether the writer must end
constexpr auto destructor_patience = 2000ms;
constexpr auto linger = 5ms;                  // how long a record may wait for others to be written with it ...
constexpr std::size_t linger_records = 512;   // ... unless so many wait: waking the thread costs more than writing a record
constexpr std::size_t max_spare = 1024;       // records of type dns kept for their memory
constexpr std::size_t max_spare_http = 512;   // and of type http
constexpr std::size_t kept_lines = 64U << 10; // memory kept for the next batch's text
constexpr std::size_t max_spare_bytes = 2048; // of each; larger ones are freed

std::size_t bytes_of(const header_fields& headers) noexcept
{
    std::size_t out = 0;
    for (const auto& [name, value] : headers) out += name.size() + value.size() + 2 * sizeof(std::string);
    return out;
}

std::size_t bytes_of(const std::vector<std::string>& list) noexcept
{
    std::size_t out = 0;
    for (const auto& item : list) out += item.size() + sizeof(std::string);
    return out;
}

struct field_bytes {
    std::size_t operator()(const http_fields& f) const noexcept
    {
        return f.url.size() * 2 + f.user_agent.size() + bytes_of(f.request_headers) + bytes_of(f.response_headers) +
               f.request_body.size() + f.response_body.size();
    }
    std::size_t operator()(const dns_fields& f) const noexcept { return f.qname.size() + bytes_of(f.answers); }
    std::size_t operator()(const connection_fields& f) const noexcept { return f.host.size() + f.sni.size() + f.detail.size(); }
    std::size_t operator()(const alert_fields& f) const noexcept { return f.name.size() + f.message.size(); }
    std::size_t operator()(const job_fields& f) const noexcept { return bytes_of(f.command) + bytes_of(f.allowed_sockets); }
};

/// About what the record takes in memory: the strings that a client can make long.
std::size_t bytes_of(const record& entry) noexcept
{
    return sizeof(record) + entry.decision.hint.size() + std::visit(field_bytes{}, entry.what);
}

/// Moves as many of `used` to `spare` as make `most` there.
void keep(std::list<record>& spare, std::list<record>& used, std::size_t most)
{
    const auto fit = std::min(most - std::min(most, spare.size()), used.size());
    spare.splice(spare.end(), used, used.begin(), std::next(used.begin(), static_cast<std::ptrdiff_t>(fit)));
}

} // namespace

/// Shared by the writer, its thread and the reservations that are out.
struct writer_queue {
    explicit writer_queue(const settings& how)
        : max_records(how.queue_records), max_bytes(how.queue_bytes), max_body(how.max_body),
          wake_at(std::clamp<std::size_t>(how.queue_records / 2, 1, linger_records))
    {
    }

    const std::size_t max_records, max_bytes, max_body;
    const std::size_t wake_at; // records that end the linger
    mutable std::mutex mutex;
    std::condition_variable work, progress;
    std::list<record> waiting;
    std::size_t queued = 0; // committed, not yet in the sinks
    std::size_t reserved = 0;
    std::size_t bytes = 0;
    std::uint64_t committed = 0, finished = 0; // finished: written or lost
    bool closing = false, stopping = false, gone = false;
    bool idle = false, hurry = false; // the thread sleeps until the first record; somebody waits for what is queued
    // Written records, for their memory; the ones of type http are emptied.
    std::list<record> spare_dns, spare_http;
    bool failed = false;
    std::string failure;
    writer_totals totals;

    bool has_room() const // with the mutex held
    {
        return !closing && !failed && queued + reserved < max_records && bytes + reserved_bytes <= max_bytes;
    }

    /// `node` becomes one of `spare` if there is any; else it stays empty.
    bool take_place(std::list<record>& node, std::list<record> writer_queue::*spare)
    {
        const std::lock_guard lock(mutex);
        if (!has_room()) return false;
        ++reserved;
        bytes += reserved_bytes;
        if (spare != nullptr && !(this->*spare).empty()) node.splice(node.begin(), this->*spare, (this->*spare).begin());
        return true;
    }

    void give_back() noexcept
    {
        const std::lock_guard lock(mutex);
        --reserved;
        bytes -= reserved_bytes;
        progress.notify_all();
    }

    void commit(std::list<record>& node) noexcept
    {
        if (auto* http = std::get_if<http_fields>(&node.front().what)) {
            for (auto* body : {&http->request_body, &http->response_body}) {
                if (body->size() <= max_body) continue;
                body->resize(max_body);
                http->body_truncated = true;
            }
        }
        const auto size = bytes_of(node.front());
        const std::lock_guard lock(mutex);
        --reserved;
        bytes -= reserved_bytes;
        ++committed;
        if (gone) {
            ++finished;
            ++totals.lost;
            return;
        }
        ++queued;
        bytes += size;
        waiting.splice(waiting.end(), node);
        if (!idle && waiting.size() != wake_at) return;
        idle = false;
        work.notify_one();
    }
};

reservation::reservation(std::shared_ptr<writer_queue> queue, std::list<record> node)
    : queue_(std::move(queue)), node_(std::move(node)), used_(!node_.empty())
{
    if (used_) return;
    node_.emplace_back();
    draft().time = clock::now();
    draft().what = connection_fields{};
}

void reservation::commit() noexcept
{
    if (!queue_) return;
    queue_->commit(node_);
    queue_.reset();
}

void reservation::commit(record&& entry) noexcept
{
    if (!queue_) return;
    draft() = std::move(entry);
    commit();
}

void reservation::cancel() noexcept
{
    if (!queue_) return;
    queue_->give_back();
    queue_.reset();
}

reservation::~reservation()
{
    settle();
}

reservation& reservation::operator=(reservation&& other) noexcept
{
    if (this == &other) return *this;
    settle();
    queue_ = std::move(other.queue_);
    node_ = std::move(other.node_);
    used_ = other.used_;
    return *this;
}

void reservation::settle() noexcept
{
    if (!queue_) return;
    const std::string why(to_string(reason::internal_error)); // short enough to need no allocation
    if (used_) {                                              // half of another record is worse than none
        draft() = record{};
        draft().time = clock::now();
        draft().what = connection_fields{};
    }
    auto& decision = draft().decision;
    decision.action = decision.would = "deny";
    decision.reason = why;
    if (decision.stage.empty()) decision.stage = "connection";
    if (auto* connection = std::get_if<connection_fields>(&draft().what)) connection->close_reason = why;
    commit();
}

/// What the thread owns.
struct writer::thread_part {
    thread_part(const settings& how, std::vector<sink> to, writer_hooks calls, std::shared_ptr<writer_queue> from)
        : queue(std::move(from)), sinks(std::move(to)), hooks(std::move(calls)), encoder(how)
    {
    }

    std::shared_ptr<writer_queue> queue;
    std::vector<sink> sinks;
    writer_hooks hooks;
    line_encoder encoder;
    std::string lines; ///< on their way to the sinks; its memory is kept
    const record empty_http{};
    std::uint64_t denied = 0;
    std::thread thread;

    void run();
    void await_work(std::unique_lock<std::mutex>& lock);
    void write_batch(std::list<record>& batch);
    void encode(record& entry);
    bool write_all(std::string_view text);
    void report(const std::string& message);
    bool pause(std::chrono::milliseconds delay);
    void finish(std::list<record>& done, std::size_t count, std::size_t bytes, bool kept);
};

void writer::thread_part::run()
{
    std::unique_lock lock(queue->mutex);
    for (;;) {
        await_work(lock);
        if (queue->waiting.empty()) break;
        std::list<record> batch;
        batch.swap(queue->waiting);
        lock.unlock();
        write_batch(batch);
        lock.lock();
    }
    queue->gone = true;
    lock.unlock();
    for (auto& to : sinks) to.sync();
}

/// Returns when records wait, `linger` after the first of them or when there are many, or when the thread must end.
void writer::thread_part::await_work(std::unique_lock<std::mutex>& lock)
{
    queue->idle = queue->waiting.empty();
    queue->work.wait(lock, [this] { return !queue->waiting.empty() || queue->stopping; });
    queue->idle = false;
    const auto enough = [this] { return queue->waiting.size() >= queue->wake_at || queue->hurry || queue->closing; };
    queue->work.wait_for(lock, linger, enough);
    queue->hurry = false;
}

/// Encodes and writes, at most batch_bytes at a time.
void writer::thread_part::write_batch(std::list<record>& batch)
{
    while (!batch.empty()) {
        lines.clear();
        std::size_t count = 0, bytes = 0;
        for (auto entry = batch.begin(); entry != batch.end() && lines.size() < batch_bytes; ++entry, ++count) {
            bytes += bytes_of(*entry);
            encode(*entry);
        }
        finish(batch, count, bytes, write_all(lines));
    }
    lines.clear();
    if (lines.capacity() > kept_lines) lines.shrink_to_fit();
}

void writer::thread_part::encode(record& entry)
{
    if (auto* job = std::get_if<job_fields>(&entry.what); job && job->event == "end" && job->records == 0) {
        job->records = encoder.seq() + 1;
        job->denied = denied;
    }
    if (would_deny(entry)) ++denied;
    encoder.append(entry, lines);
    if (hooks.written) hooks.written(entry, encoder.seq());
}

/// To every sink, however long it takes, unless the writer ends first (false).
bool writer::thread_part::write_all(std::string_view text)
{
    bool trouble = false;
    for (auto& to : sinks) {
        std::chrono::milliseconds delay = first_retry;
        for (std::string_view rest = text; !rest.empty();) {
            std::error_code ec;
            const auto n = to.write_some(rest, sink_patience, ec);
            rest.remove_prefix(n);
            if (ec) {
                trouble = true;
                report("audit log " + to.name() + ": " + ec.message());
                if (!pause(delay)) return false;
                delay = std::min<std::chrono::milliseconds>(delay * 2, last_retry);
            }
            else if (n == 0 && !pause(0ms))
                return false;
        }
    }
    if (trouble) report({});
    return true;
}

void writer::thread_part::report(const std::string& message)
{
    {
        const std::lock_guard lock(queue->mutex);
        if (queue->failure == message) return;
        queue->failure = message;
        queue->failed = !message.empty();
    }
    if (hooks.failure) hooks.failure(message);
}

/// False if the writer must end.
bool writer::thread_part::pause(std::chrono::milliseconds delay)
{
    std::unique_lock lock(queue->mutex);
    return !queue->work.wait_for(lock, delay, [this] { return queue->stopping; });
}

void writer::thread_part::finish(std::list<record>& done, std::size_t count, std::size_t bytes, bool kept)
{
    std::list<record> old;
    old.splice(old.begin(), done, done.begin(), std::next(done.begin(), static_cast<std::ptrdiff_t>(count)));
    std::list<record> of_dns, of_http;
    for (auto entry = old.begin(); entry != old.end();) {
        const auto next = std::next(entry);
        if (std::holds_alternative<dns_fields>(entry->what)) {
            if (of_dns.size() < max_spare && bytes_of(*entry) <= max_spare_bytes + sizeof(record))
                of_dns.splice(of_dns.end(), old, entry);
        }
        else if (auto* http = std::get_if<http_fields>(&entry->what);
                 http && of_http.size() < max_spare_http && memory_of(*http) <= max_spare_bytes) {
            *entry = empty_http; // the strings keep their memory
            of_http.splice(of_http.end(), old, entry);
        }
        entry = next;
    }
    std::size_t depth = 0;
    {
        const std::lock_guard lock(queue->mutex);
        keep(queue->spare_dns, of_dns, max_spare);
        keep(queue->spare_http, of_http, max_spare_http);
        queue->queued -= count;
        queue->bytes -= bytes;
        queue->finished += count;
        queue->totals.records = encoder.seq();
        queue->totals.denied = denied;
        queue->totals.chain_head = encoder.head();
        if (!kept) queue->totals.lost += count;
        depth = queue->queued + queue->reserved;
        queue->progress.notify_all();
    }
    if (hooks.depth) hooks.depth(depth);
}

writer::writer(settings how, std::vector<sink> sinks, writer_hooks hooks)
    : queue_(std::make_shared<writer_queue>(how)),
      part_(std::make_unique<thread_part>(how, std::move(sinks), std::move(hooks), queue_))
{
    // Signals are for the threads that expect them, and a closed pipe is an error code here, not a SIGPIPE.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    part_->thread = std::thread([part = part_.get()] {
        name_this_thread("audit");
        work_in_background();
        part->run();
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

writer::~writer()
{
    close(destructor_patience);
}

std::optional<reservation> writer::take_place(std::list<record> writer_queue::*spare)
{
    std::list<record> node;
    if (!queue_->take_place(node, spare)) return std::nullopt;
    try {
        return reservation(queue_, std::move(node));
    }
    catch (const std::bad_alloc&) {
        queue_->give_back();
        return std::nullopt;
    }
}

std::optional<reservation> writer::reserve()
{
    return take_place(nullptr);
}

std::optional<reservation> writer::reserve_used()
{
    return take_place(&writer_queue::spare_dns);
}

std::optional<reservation> writer::reserve_http()
{
    auto place = take_place(&writer_queue::spare_http);
    if (!place) return place;
    if (!std::holds_alternative<http_fields>(place->draft().what)) place->draft().what.emplace<http_fields>();
    place->used_ = true;
    return place;
}

bool writer::has_room() const
{
    const std::lock_guard lock(queue_->mutex);
    return queue_->has_room();
}

bool writer::failed() const noexcept
{
    const std::lock_guard lock(queue_->mutex);
    return queue_->failed;
}

std::string writer::failure() const
{
    const std::lock_guard lock(queue_->mutex);
    return queue_->failure;
}

std::size_t writer::depth() const
{
    const std::lock_guard lock(queue_->mutex);
    return queue_->queued + queue_->reserved;
}

bool writer::flush(std::chrono::milliseconds patience)
{
    std::unique_lock lock(queue_->mutex);
    const auto target = queue_->committed;
    queue_->hurry = queue_->finished < target;
    queue_->work.notify_all();
    return queue_->progress.wait_for(lock, patience, [&] { return queue_->finished >= target; });
}

writer_totals writer::close(std::chrono::milliseconds patience)
{
    {
        std::unique_lock lock(queue_->mutex);
        queue_->closing = true;
        queue_->work.notify_all();
        const auto idle = [this] { return queue_->gone || (queue_->queued == 0 && queue_->reserved == 0); };
        queue_->progress.wait_for(lock, patience, idle);
        queue_->stopping = true;
        queue_->work.notify_all();
    }
    if (part_->thread.joinable()) part_->thread.join();
    return totals();
}

writer_totals writer::totals() const
{
    const std::lock_guard lock(queue_->mutex);
    return queue_->totals;
}

} // namespace cofferdam::audit
