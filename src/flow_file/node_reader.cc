#include "flow_file/node_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/utf8.h"
#include "flow_file/variables.h"

namespace testmesh::flow_file {
namespace {

constexpr size_t kMostProblems = 1000;

// Short and on one line.
std::string shown(std::string_view text) {
  std::string result;
  const std::string_view prefix = base::utf8_prefix(text, 60);
  for (const char c : prefix) result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  if (prefix.size() < text.size()) result += "…";
  return result;
}

}  // namespace

std::string describe_node(const yaml::Node& node) {
  switch (node.type) {
    case yaml::Type::kNothing:
      return "nothing";
    case yaml::Type::kList:
      return "a list";
    case yaml::Type::kMap:
      return "a map";
    case yaml::Type::kText:
      break;
  }
  const yaml::Scalar scalar = yaml::scalar_of(node);
  if (std::holds_alternative<std::string_view>(scalar)) return fmt::format("the text `{}`", shown(node.text));
  if (std::holds_alternative<bool>(scalar)) return shown(node.text);
  return fmt::format("the number {}", shown(node.text));
}

void NodeReader::problem(Position at, std::string message, std::string found, std::string expected) {
  if (problems_.size() > kMostProblems) return;
  if (problems_.size() == kMostProblems) {
    problems_.push_back({at, "There is more wrong with this file", {}, {}});
    return;
  }
  problems_.push_back({at, std::move(message), std::move(found), std::move(expected)});
}

void NodeReader::problem(const Node& at, std::string message, std::string found, std::string expected) {
  problem(place_of(at), std::move(message), std::move(found), std::move(expected));
}

void NodeReader::mismatch(const Node& at, std::string_view key, std::string expected) {
  std::string found = describe_node(at);
  problem(at, fmt::format("`{}` is {}; expected {}", key, found, expected), found, expected);
}

void NodeReader::add_problems(const std::vector<yaml::Problem>& problems) {
  for (const yaml::Problem& known : problems) problem(Position{known.line, known.column}, known.message);
}

std::vector<Problem> NodeReader::take_problems() {
  std::ranges::stable_sort(problems_, {}, &Problem::at);
  const auto same = [](const Problem& a, const Problem& b) { return a.at == b.at && a.message == b.message; };
  problems_.erase(std::unique(problems_.begin(), problems_.end(), same), problems_.end());
  return std::move(problems_);
}

void NodeReader::unknown_key(const Node& key, std::string_view title, std::span<const std::string_view> known,
                             std::string_view hint) {
  if (problems_.size() > kMostProblems) return;  // a guess for each costs time
  std::string more(hint);
  if (more.empty()) {
    const std::string_view near = base::nearest(key.text, known);
    more = near.empty() ? fmt::format("expected one of {}", fmt::join(known, ", "))
                        : fmt::format("did you mean `{}`?", near);
  }
  if (known.empty()) more = "it has none";
  problem(key, fmt::format("There is no key `{}` in {}; {}", shown(key.text), title, more),
          key.text.substr(0, 200),
          known.empty() ? "no key" : fmt::format("one of {}", fmt::join(known, ", ")));
}

bool NodeReader::check_keys(const Node& node, Place place) {
  if (node.type != yaml::Type::kMap) {
    std::string found = describe_node(node);
    problem(node, fmt::format("Found {} where {} is expected: a map", found, title_of(place)), found,
            "a map");
    return false;
  }
  const auto known = names_of(place);
  for (const Node& key : node.keys)
    if (std::ranges::find(known, key.text) == known.end()) unknown_key(key, title_of(place), known);
  for (const FileKey& key : file_keys())
    if (key.place == place && key.required && !present(node, key.name))
      problem(node, fmt::format("`{}` is missing in {}", key.name, title_of(place)), "nothing",
              fmt::format("`{}`: {}", key.name, expectation_of(key.type)));
  return true;
}

const yaml::Node* NodeReader::present(const Node& map, std::string_view key) {
  const Node* value = map.find(key);
  return value && value->type != yaml::Type::kNothing ? value : nullptr;
}

void NodeReader::read_text(const Node& map, std::string_view key, std::string& into) {
  const Node* node = present(map, key);
  if (!node) return;
  if (node->type != yaml::Type::kText) return mismatch(*node, key, "a text");
  into = node->text;
}

void NodeReader::read_boolean(const Node& map, std::string_view key, bool& into) {
  const Node* node = present(map, key);
  if (!node) return;
  const yaml::Scalar scalar = yaml::scalar_of(*node);
  const bool* value = node->type == yaml::Type::kText ? std::get_if<bool>(&scalar) : nullptr;
  if (!value) return mismatch(*node, key, "true or false");
  into = *value;
}

std::optional<int64_t> NodeReader::read_integer(const Node& map, std::string_view key, int64_t least,
                                                int64_t most) {
  const Node* node = present(map, key);
  if (!node) return std::nullopt;
  const yaml::Scalar scalar = yaml::scalar_of(*node);
  const int64_t* value = node->type == yaml::Type::kText ? std::get_if<int64_t>(&scalar) : nullptr;
  if (!value || *value < least || *value > most) {
    mismatch(*node, key, fmt::format("a whole number from {} to {}", least, most));
    return std::nullopt;
  }
  return *value;
}

std::optional<Milliseconds> NodeReader::read_duration(const Node& map, std::string_view key) {
  const Node* node = present(map, key);
  if (!node) return std::nullopt;
  const auto duration = node->type == yaml::Type::kText ? parse_duration(node->text) : std::nullopt;
  if (!duration) mismatch(*node, key, std::string(expectation_of(ConfigType::kDuration)));
  return duration;
}

size_t NodeReader::read_choice(const Node& map, Place place, std::string_view key, size_t standard) {
  const Node* node = present(map, key);
  if (!node) return standard;
  const auto keys = file_keys();
  const auto entry = std::ranges::find_if(
      keys, [&](const FileKey& candidate) { return candidate.place == place && candidate.name == key; });
  const auto found = std::ranges::find(entry->choices, node->text);
  if (node->type == yaml::Type::kText && found != entry->choices.end())
    return static_cast<size_t>(found - entry->choices.begin());
  const std::string_view near = base::nearest(node->text, entry->choices);
  mismatch(*node, key,
           fmt::format("one of {}{}", fmt::join(entry->choices, ", "),
                       near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  return standard;
}

void NodeReader::read_texts(const Node& map, std::string_view key, std::vector<std::string>& into) {
  const Node* node = present(map, key);
  if (!node) return;
  if (node->type == yaml::Type::kMap) return mismatch(*node, key, "a list of texts");
  const std::span<const Node> items =
      node->type == yaml::Type::kList ? std::span(node->values) : std::span(node, 1);
  for (const Node& item : items) {
    if (item.type == yaml::Type::kText)
      into.push_back(item.text);
    else
      mismatch(item, fmt::format("{}[{}]", key, &item - items.data()), "a text");
  }
}

std::optional<Assertion> NodeReader::read_expression(const Node& node, std::string_view key) {
  if (node.type != yaml::Type::kText || node.text.find_first_not_of(" \t\r\n") == std::string::npos) {
    mismatch(node, key, "an expression");
    return std::nullopt;
  }
  auto program = expr::Program::compile(node.text);
  if (program) {
    const auto start = document_.text_start(node);
    return Assertion{node.text, std::move(*program), {start.line, start.column}};
  }
  const expr::Error& error = program.error();
  const auto place = document_.place_in(node, error.line, error.column);
  std::string message = fmt::format("`{}` is no valid expression: {}", key, error.message);
  if (has_reference(node.text)) {
    message += "; a variable stands in an expression by its name, without braces";
  } else if (node.style == yaml::Style::kPlain) {
    const size_t end = std::min(node.offset + node.text.size(), source_.size());
    const std::string_view rest = source_.substr(end, source_.find('\n', end) - end);
    if (rest.find(" #") != std::string_view::npos)
      message += "; in YAML ` #` begins a comment, so put the expression in quotes";
  }
  problem(Position{place.line, place.column}, std::move(message), shown(node.text), "an expression");
  return std::nullopt;
}

std::vector<Assertion> NodeReader::read_expressions(const Node& map, std::string_view key) {
  std::vector<Assertion> result;
  const Node* node = present(map, key);
  if (!node) return result;
  if (node->type == yaml::Type::kMap) {
    mismatch(*node, key, "an expression or a list of expressions");
    return result;
  }
  const std::span<const Node> items =
      node->type == yaml::Type::kList ? std::span(node->values) : std::span(node, 1);
  for (const Node& item : items)
    if (auto assertion = read_expression(item, key)) result.push_back(std::move(*assertion));
  return result;
}

expr::Value NodeReader::to_value(const Node& node) {
  switch (node.type) {
    case yaml::Type::kNothing:
      return {};
    case yaml::Type::kText:
      return std::visit(
          [](const auto& scalar) -> expr::Value {
            if constexpr (std::is_same_v<std::decay_t<decltype(scalar)>, std::monostate>)
              return {};
            else
              return expr::Value(scalar);
          },
          yaml::scalar_of(node));
    case yaml::Type::kList: {
      expr::List list;
      list.reserve(node.values.size());
      for (const Node& item : node.values) list.push_back(to_value(item));
      return expr::Value(std::move(list));
    }
    case yaml::Type::kMap: {
      expr::Map map;
      for (size_t i = 0; i < node.keys.size() && i < node.values.size(); ++i)
        map.set(std::string_view(node.keys[i].text), to_value(node.values[i]));
      return expr::Value(std::move(map));
    }
  }
  return {};
}

}  // namespace testmesh::flow_file
