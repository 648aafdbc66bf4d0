#include "audit/chain.hpp"
#include "audit/json.hpp"
#include "audit/metrics.hpp"
#include "audit/writer.hpp"
#include "sample.hpp"

#include <benchmark/benchmark.h>
#include <thread>

namespace cofferdam::audit {
namespace {

void json_line(benchmark::State& state)
{
    const auto entry = sample::http();
    const settings how;
    const auto previous = chain_start(entry.job);
    for (auto _ : state) benchmark::DoNotOptimize(to_json_line(entry, 7, previous, how));
}
BENCHMARK(json_line);

/// Records a second through reserve, commit, chain and write to a file.
void writer_records(benchmark::State& state)
{
    const sample::scratch dir;
    settings how;
    how.sinks = {{sink_settings::kind::file, dir.file("log")}};
    writer out(how);
    const auto entry = sample::http();
    for (auto _ : state) {
        auto place = out.reserve();
        for (; !place; place = out.reserve()) std::this_thread::yield();
        place->commit(record(entry));
    }
    out.flush(std::chrono::seconds(60));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(writer_records)->UseRealTime();

void metrics_observe(benchmark::State& state)
{
    metrics m("0.1.0");
    const auto entry = sample::http();
    for (auto _ : state) m.observe(entry);
}
BENCHMARK(metrics_observe);

} // namespace
} // namespace cofferdam::audit
