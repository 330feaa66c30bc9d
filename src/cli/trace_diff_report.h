// What GET …/traces/{trace_id}/diff answers, for people.
#pragma once

#include <iosfwd>
#include <nlohmann/json.hpp>

namespace testmesh::cli {

struct DiffLook {
  unsigned width = 0;  // columns; 0: not a terminal, nothing is cut
  bool colour = false;
  bool full = false;  // calls that do not differ are shown too, however many
};

// Two traces: what each is, the calls as a tree with a mark in front of what
// differs, where the time went. Against a flow: the same of the nodes of the
// path.
void print_trace_diff(std::ostream&, const nlohmann::ordered_json& diff, const DiffLook&);
void print_flow_diff(std::ostream&, const nlohmann::ordered_json& diff, const DiffLook&);

// Whether a call, or a node, is not in both, in its place, as it was. Times do
// not count, unless against a flow they are beyond its p95.
bool differs(const nlohmann::ordered_json& diff);

}  // namespace testmesh::cli
