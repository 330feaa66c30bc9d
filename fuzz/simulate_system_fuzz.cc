// Any file: the reader must end, with places inside the file for what is wrong,
// or with a system that passes its own check and of which traces can be made
// whose spans decode.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "otlp/convert.h"
#include "simulate/emit.h"
#include "simulate/plan.h"
#include "simulate/system_yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace testmesh::simulate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto system = read_system(text);
  if (!system) {
    CHECK(!system.error().empty());
    const auto lines =
        static_cast<uint64_t>(std::ranges::count_if(text, [](char c) { return c == '\n' || c == '\r'; }));
    for (const Problem& problem : system.error()) {
      CHECK(problem.line >= 1 && problem.line <= lines + 2);
      CHECK(problem.column >= 1 && !problem.message.empty());
    }
    return 0;
  }
  CHECK(check(*system));
  const Planner planner(*system, 1);
  SpanWriter writer(*system, 1, 1'700'000'000'000'000'000);
  TracePlan plan;
  size_t spans = 0;
  for (uint64_t i = 0; i < 4 && spans < 2000; ++i) {
    planner.plan(i, plan);
    CHECK(plan.actions.size() <= kMostSpansPerTrace + 2);
    CHECK(plan.actions.size() <=
          most_spans(system->phases[plan.phase], system->phases[plan.phase].entries[plan.entry]));
    for (uint32_t a = 0; a < plan.actions.size(); ++a) writer.add(plan, a);
    spans += plan.actions.size();
    (void)behaviour_path(*system, plan);
  }
  const auto decoded = testmesh::otlp::decode_protobuf(writer.take());
  CHECK(decoded && decoded->rejected == 0 && decoded->spans.size() == spans);
  return 0;
}
