// A discovered flow as a test (flow-yaml.md 6): a flow file to start from
// (kSteps), or one that runs as it is and knows what should happen inside
// (kTrace).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/flow_book.h"
#include "model/ids.h"
#include "store/telemetry_store.h"

namespace testmesh::flow_export {

enum class Mode : uint8_t { kSteps, kTrace };
std::optional<Mode> mode_of(std::string_view);  // "steps", "trace"

// The flow's sample traces, the one to take first first: ordinary before those
// with errors.
std::vector<model::TraceId> samples_of(const discovery::FlowDetail&);

// A trace ordinary enough to take more than values from: complete, not partial, no test.
bool is_fit(const store::TraceDetail&);

// YAML that flow_file::read_flow() accepts, whatever the identifiers and values are:
// what is past the bounds of a file is left out, and said so in a comment.
//
// `sample` gives what a flow does not keep: values of path parameters, statements,
// addresses, statuses; null: placeholders stand for them. Values under the name of
// a secret are masked.
//
// In kTrace the limit of the duration is 10 times the flow's 95th percentile and at
// least a second, and slow spans warn only: a test runs against a colder system
// than the one the baseline is from. A service is required by name, and errors are
// allowed where the baseline has them in one call of twenty, or the sample does.
std::string export_flow(const discovery::FlowDetail&, const store::TraceDetail* sample, Mode);

}  // namespace testmesh::flow_export
