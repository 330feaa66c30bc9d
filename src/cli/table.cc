#include "cli/table.h"

#include <algorithm>
#include <numeric>
#include <ostream>

#include "cli/text.h"

namespace testmesh::cli {
namespace {

constexpr size_t kGap = 2;

}  // namespace

void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out, unsigned width) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t widest = width_of(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, width_of(row[i]));
    widths.push_back(widest);
  }
  const size_t gaps = kGap * (columns_.size() - 1);
  while (width != 0 && std::accumulate(widths.begin(), widths.end(), gaps) > width) {
    size_t widest = columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i)
      if (widths[i] > columns_[i].least && (widest == columns_.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == columns_.size()) break;  // narrower than the least of all columns
    --widths[widest];
  }
  const auto print_row = [&](const auto& cell_of) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) line.append(kGap, ' ');
      std::string cell = cut(cell_of(i), widths[i]);
      line += columns_[i].align == Align::kRight ? pad_left(std::move(cell), widths[i])
                                                 : pad_right(std::move(cell), widths[i]);
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out << line << '\n';
  };
  print_row([&](size_t i) { return columns_[i].title; });
  for (const auto& row : rows_) print_row([&](size_t i) { return row[i]; });
}

}  // namespace testmesh::cli
