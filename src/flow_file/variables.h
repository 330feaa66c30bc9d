// References in the texts of a flow file: `{{name}}`, `${name}`,
// `${name:default}` (flow-yaml.md 1, Variables).
//
// A name is what stands between the braces, without the blanks around it: any
// characters but braces, quotes and line breaks in `{{…}}`; letters, digits,
// `_`, `-`, `.` and brackets with a number in `${…}`. Anything else in such
// braces is text and stays. `{{'…'}}` gives what stands between the quotes:
// `{{'{{'}}` is two braces, `{{'${'}}` the other beginning.
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
// otherwise the result is text. kNotFound: names the unknown reference;
// kTooLarge: the texts it makes are past 64 MiB.
base::Result<expr::Value> expand(const expr::Value& value, const Lookup& lookup);

// The names a text or any text within a value refers to, each once.
std::vector<std::string> references(const expr::Value& value);

// Whether the text has a reference, or a `{{'…'}}`.
bool has_reference(std::string_view text);
// A text that expand() turns back into this one, whatever is in it.
std::string escaped(std::string_view text);

}  // namespace testmesh::flow_file
