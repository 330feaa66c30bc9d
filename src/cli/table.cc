#include "cli/table.h"

#include <algorithm>
#include <ostream>

#include "cli/text.h"

namespace testmesh::cli {
namespace {

constexpr size_t kGap = 2;

}  // namespace

void Table::add(std::vector<std::string> cells, Style style) {
  for (std::string& cell : cells) cell = printable(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
  styles_.push_back(style);
}

void Table::print(std::ostream& out, unsigned width, bool colour) const {
  struct Shown {
    size_t column, width;
  };
  std::vector<Shown> shown;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t widest = 0;
    for (const auto& row : rows_) widest = std::max(widest, width_of(row[i]));
    if (width != 0 && widest == 0 && columns_[i].expendable > 0) continue;
    shown.push_back({i, std::max(widest, width_of(columns_[i].title))});
  }
  const auto least_of = [&](const Shown& one) { return std::min(one.width, columns_[one.column].least); };
  const auto total = [&](const auto& width_of_one) {
    size_t sum = kGap * (shown.size() - 1);
    for (const Shown& one : shown) sum += width_of_one(one);
    return sum;
  };
  while (width != 0 && total(least_of) > width) {
    const auto first = std::ranges::max_element(
        shown, {}, [&](const Shown& one) { return columns_[one.column].expendable; });
    if (columns_[first->column].expendable == 0) break;  // narrower than what may not go
    shown.erase(first);
  }
  while (width != 0 && total([](const Shown& one) { return one.width; }) > width) {
    Shown* widest = nullptr;
    for (Shown& one : shown)
      if (one.width > columns_[one.column].least && (!widest || one.width > widest->width)) widest = &one;
    if (!widest) break;
    --widest->width;
  }
  const auto print_row = [&](const auto& cell_of, Style style) {
    std::string line;
    for (const Shown& one : shown) {
      const Column& column = columns_[one.column];
      if (&one != &shown.front()) line.append(kGap, ' ');
      std::string cell =
          column.keep_end ? cut_front(cell_of(one.column), one.width) : cut(cell_of(one.column), one.width);
      line += column.align == Align::kRight ? pad_left(std::move(cell), one.width)
                                            : pad_right(std::move(cell), one.width);
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out << painted(std::move(line), style, colour) << '\n';
  };
  print_row([&](size_t i) { return columns_[i].title; }, Style::kBold);
  for (size_t at = 0; at < rows_.size(); ++at) print_row([&](size_t i) { return rows_[at][i]; }, styles_[at]);
}

}  // namespace testmesh::cli
