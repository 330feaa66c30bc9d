// What an exported flow expects of its trace. Private to the module.
#pragma once

#include <string>
#include <vector>

#include "discovery/flow_book.h"
#include "flow_export/sample.h"

namespace testmesh::flow_export {

// Expressions that an ordinary trace of the flow makes true.
std::vector<std::string> trace_assertions(const discovery::FlowDetail&);

// Selectors of spans that fail in ordinary traces.
std::vector<std::string> allowed_errors(const discovery::FlowDetail&, const SampleView&);

}  // namespace testmesh::flow_export
