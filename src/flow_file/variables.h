// References in the texts of a flow file: `{{name}}`, `${name}`,
// `${name:default}` (flow-yaml.md 1, Variables).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "expr/value.h"

namespace testmesh::flow_file {

// Gives the value of a name such as "base_url", "UUID" or
// "create_user.body.id"; false: there is none.
using Lookup = std::function<bool(std::string_view name, expr::Value& out)>;

// Every text inside `value`, keys of maps too, with its references replaced. A
// text that is one single reference gives the value itself with its type;
// otherwise the result is text. kNotFound: names the unknown reference.
base::Result<expr::Value> expand(const expr::Value& value, const Lookup& lookup);

// The names a text or any text within a value refers to, each once.
std::vector<std::string> references(const expr::Value& value);

}  // namespace testmesh::flow_file
