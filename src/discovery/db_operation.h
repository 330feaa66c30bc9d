// Reading or writing: what a database span does to what is stored
// (discovery.md 5), by the first word that says it.
#pragma once

#include <string_view>

#include "discovery/span_facts.h"

namespace testmesh::discovery {

// `text`: an operation's name, a statement, or a span's name; of any length,
// only its beginning is looked at. Comments and brackets in front are passed
// over, case says nothing, `BATCH INSERT` is an INSERT. What is not known to
// write reads.
bool is_writing_operation(std::string_view text);

// The slots whose values matter only for what is_writing_operation() says of
// them: statements are as many as there are requests.
bool tells_operation(Slot slot);

}  // namespace testmesh::discovery
