// A table of text: columns as wide as needed, cut with `…` where the terminal
// is narrower.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "cli/text.h"

namespace testmesh::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  size_t least = 4;  // never cut below; the widest column is cut first
  // Left out on a terminal that is too narrow for the least of all columns, the
  // highest first, and where no row has anything in it; 0: never.
  unsigned expendable = 0;
  bool keep_end = false;  // what is cut is the front, as of paths of files
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells, Style = Style::kPlain);  // made printable here
  bool empty() const { return rows_.empty(); }
  // `width` 0: nothing is cut.
  void print(std::ostream&, unsigned width, bool colour = false) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<Style> styles_;  // of the rows
};

}  // namespace testmesh::cli
