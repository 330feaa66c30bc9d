// Any text: its references are found, and what is escaped comes back as it was.
// The same text as an environment file and as a duration.
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/utf8.h"
#include "flow_file/flow_file.h"
#include "flow_file/variables.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace testmesh;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto nothing = [](std::string_view, expr::Value&) { return false; };
  const auto echo = [](std::string_view name, expr::Value& out) {
    out = expr::Value(name);
    return true;
  };
  const auto back = flow_file::expand(expr::Value(flow_file::escaped(text)), nothing);
  CHECK(back && back->kind() == expr::Kind::kString && back->as_string() == text);
  const auto names = flow_file::references(expr::Value(text));
  const auto expanded = flow_file::expand(expr::Value(text), echo);
  CHECK(expanded.has_value());
  if (!flow_file::has_reference(text)) CHECK(names.empty() && expanded->as_string() == text);
  for (const auto& name : names) CHECK(!name.empty());

  const auto entries = flow_file::read_env_file(text);
  if (entries) {
    for (const auto& [name, value] : *entries) CHECK(!name.empty() && base::valid_utf8(value));
  } else {
    CHECK(!entries.error().message.empty());
  }
  if (const auto duration = flow_file::parse_duration(text)) CHECK(duration->count() >= 0);
  (void)flow_file::is_secret_name(text);
  return 0;
}
