// An analysis as a table, as JSON, as a page of HTML: each a function of the
// analysis alone.
#pragma once

#include <iosfwd>

#include "cli/analysis.h"

namespace testmesh::cli {

void print_analysis_table(std::ostream&, const Analysis&, unsigned width);
// Flows have the fields of the REST API.
void print_analysis_json(std::ostream&, const Analysis&);
// One file, nothing is loaded from elsewhere.
void print_analysis_html(std::ostream&, const Analysis&);

}  // namespace testmesh::cli
