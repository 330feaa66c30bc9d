// Documents in and reports out.
#pragma once

#include <string>

#include "cli/commands.h"

namespace testmesh::cli {

inline constexpr size_t kMostDocumentBytes = size_t{64} << 20;  // the server takes no more

// The whole file, or standard input for `-`. A URL is refused with what to do
// instead: nothing is fetched.
base::Result<std::string> read_document(Program&, const std::string& path);

// All of it or nothing: a reader never sees half a report.
base::Result<void> write_file(const std::string& path, const std::string& content);

}  // namespace testmesh::cli
