// A Redis command as a person writes it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace testmesh::actions {

// As redis-cli reads a line: words by spaces, "…" with \n \r \t \b \a \\ \" \xHH
// in it, '…' with \' in it. The error is a sentence.
std::expected<std::vector<std::string>, std::string> split_command(std::string_view text);

}  // namespace testmesh::actions
