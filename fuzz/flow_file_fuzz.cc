// Any file: the reader must end, with places inside the file for what is wrong,
// in order; and every place of every text must be in the file.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "flow_file/flow_file.h"
#include "yaml/tree.h"

namespace {

using testmesh::yaml::Document;
using testmesh::yaml::Node;

void check_places(const Document& document, const Node& node, uint32_t lines, int& budget) {
  if (--budget < 0) return;
  CHECK(node.line >= 1 && node.line <= lines && node.column >= 1);
  if (node.type == testmesh::yaml::Type::kText) {
    Document::Place last = document.text_start(node);
    CHECK(last.line >= 1 && last.line <= lines && last.column >= 1);
    for (uint32_t column = 1; column < 12; ++column) {
      const Document::Place place = document.place_in(node, 1, column);
      CHECK(place >= last && place.line <= lines);
      last = place;
    }
    (void)document.place_in(node, 1000, 1000);
    (void)testmesh::yaml::scalar_of(node);
  }
  for (const Node& key : node.keys) check_places(document, key, lines, budget);
  for (const Node& value : node.values) check_places(document, value, lines, budget);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<uint32_t>(std::ranges::count(text, '\n') + 1);
  const Document document(text);
  int budget = 2000;
  check_places(document, document.root(), lines, budget);

  const auto reading = testmesh::flow_file::read_flow(text);
  const testmesh::flow_file::Problem* before = nullptr;
  for (const auto& problem : reading.problems) {
    CHECK(problem.at.line >= 1 && problem.at.line <= lines && problem.at.column >= 1);
    CHECK(!problem.message.empty());
    CHECK(!before || before->at <= problem.at);
    before = &problem;
  }
  if (reading.problems.empty()) CHECK(!reading.flow.name.empty() && !reading.flow.steps.empty());
  return 0;
}
