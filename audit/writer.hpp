#pragma once

#include "audit/record.hpp"
#include "audit/settings.hpp"
#include "audit/sink.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cofferdam::audit {

/// Called on the writer's thread; must not throw and must not call the writer.
struct writer_hooks {
    /// Each record when it gets its place in the log, in that order: the summary and the record counters.
    std::function<void(const record& entry, std::uint64_t seq)> written;
    /// Records queued and reserved, after each batch.
    std::function<void(std::size_t depth)> depth;
    /// A sink stopped taking records (with its message), and again when all sinks work once more (empty message).
    std::function<void(const std::string& message)> failure;
};

struct writer_queue;

/// A place in the queue, taken before a flow is served: whoever holds one can commit its record without fail. Holds
/// a draft that the owner may fill while the flow runs. If it is destroyed uncommitted, the draft is committed as a
/// refusal with reason internal_error, so that no flow goes unrecorded. Usable from any thread, one at a time; may
/// outlive the writer (what is committed then is counted as lost).
class reservation {
public:
    reservation(reservation&&) noexcept = default;
    reservation& operator=(reservation&& other) noexcept; ///< what this held is settled as by the destructor
    ~reservation();

    /// Starts as an empty connection record that begins now.
    record& draft() noexcept { return node_.front(); }
    /// Queues the draft. The reservation is spent.
    void commit() noexcept;
    void commit(record&& entry) noexcept;
    /// Gives the place back; for flows that turned out to be no attempt of their own.
    void cancel() noexcept;
    bool spent() const noexcept { return !queue_; }

private:
    friend class writer;
    reservation(std::shared_ptr<writer_queue> queue, std::list<record> node);
    void settle() noexcept;

    std::shared_ptr<writer_queue> queue_;
    std::list<record> node_; // exactly one: spliced into the queue, so that committing allocates nothing
    bool used_ = false;      // the draft is not the empty connection record of the rule until it is committed
};

struct writer_totals {
    std::uint64_t records = 0; ///< given a place in the log
    std::uint64_t denied = 0;  ///< of these, refused or (mode audit) would be refused
    std::uint64_t lost = 0;    ///< committed but never written: sinks failed until the end, or committed after close
    std::string chain_head;    ///< chain value of the last record: whoever keeps it can tell that the log is whole
};

/// Writes records in the order of their commits, with one thread of its own.
class writer {
public:
    /// With no sink, records are only given to the hooks. Bounds come from `how`.
    writer(settings how, std::vector<sink> sinks, writer_hooks hooks = {});
    /// Opens the settings' sinks. Throws std::system_error.
    explicit writer(const settings& how, writer_hooks hooks = {}) : writer(how, open_sinks(how), std::move(hooks)) {}
    ~writer(); ///< close() with two seconds' grace
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;

    /// A place in the queue; nothing where the queue is full, a sink fails, or the writer is closing: the flow must
    /// then be refused (reason audit_failed). Never waits. Thread-safe, as is all of the writer.
    std::optional<reservation> reserve();
    /// The same, but the draft may be what an earlier `dns` record left, its memory included: the caller overwrites every
    /// field and commits at once. For records that are many and alike; the strings of such are not allocated anew.
    std::optional<reservation> reserve_used();
    /// The same, but the draft is an empty `http` record, with an earlier one's memory where there is one.
    std::optional<reservation> reserve_http();
    /// Whether reserve() would find a place now. For what is recorded later, and must not be begun without room.
    bool has_room() const;

    bool failed() const noexcept;
    std::string failure() const; ///< of the sink that fails now; empty if none does
    std::size_t depth() const;   ///< records queued and reserved

    /// Waits until all that was committed before is in the sinks. False at the deadline.
    bool flush(std::chrono::milliseconds patience);
    /// Takes no more reservations, waits for those that are out and for the queue, then ends the thread. Records that
    /// are not written by then are lost and counted.
    writer_totals close(std::chrono::milliseconds patience);
    writer_totals totals() const;

private:
    struct thread_part;

    std::optional<reservation> take_place(std::list<record> writer_queue::*spare);

    std::shared_ptr<writer_queue> queue_;
    std::unique_ptr<thread_part> part_;
};

} // namespace cofferdam::audit
