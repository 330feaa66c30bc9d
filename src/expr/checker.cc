#include "expr/checker.h"

#include <algorithm>
#include <unordered_map>

#include "expr/builtins.h"
#include "expr/regex.h"

namespace testmesh::expr {
namespace {

enum class TypeKind : uint8_t {
  kAny,
  kNil,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kMap,
  kTime,
  kDuration,
  kPair
};

struct Type {
  TypeKind kind = TypeKind::kAny;
  TypeKind element = TypeKind::kAny;  // of a list
  bool any_key = false;               // a map whose keys need not be texts
};

constexpr Type kAny{}, kNil{TypeKind::kNil}, kBool{TypeKind::kBool}, kInt{TypeKind::kInt},
    kFloat{TypeKind::kFloat}, kString{TypeKind::kString}, kList{TypeKind::kList}, kMap{TypeKind::kMap};

bool is(Type type, TypeKind kind) { return type.kind == kind; }
bool is_any(Type type) { return type.kind == TypeKind::kAny; }
bool is_number(Type type) { return is(type, TypeKind::kInt) || is(type, TypeKind::kFloat); }

const char* spelled(TypeKind kind) {
  switch (kind) {
    case TypeKind::kAny:
      return "any";
    case TypeKind::kNil:
      return "nil";
    case TypeKind::kBool:
      return "bool";
    case TypeKind::kInt:
      return "int";
    case TypeKind::kFloat:
      return "float";
    case TypeKind::kString:
      return "string";
    case TypeKind::kList:
      return "list";
    case TypeKind::kMap:
      return "map";
    case TypeKind::kTime:
      return "time";
    case TypeKind::kDuration:
      return "duration";
    case TypeKind::kPair:
      return "pair";
  }
  return "any";
}

Type type_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kNil:
      return kNil;
    case Kind::kBool:
      return kBool;
    case Kind::kInt:
      return kInt;
    case Kind::kFloat:
      return kFloat;
    case Kind::kString:
      return kString;
    default:
      return kAny;
  }
}

bool comparable_types(Type a, Type b) {
  return is_any(a) || is_any(b) || is(a, TypeKind::kNil) || is(b, TypeKind::kNil) || a.kind == b.kind ||
         (is_number(a) && is_number(b));
}

// Both of one of the kinds, or one of them and the other unknown.
template <typename... Is>
bool both(Type a, Type b, Is... is_one) {
  if (is_any(a) && is_any(b)) return true;
  if (is_any(a)) return (is_one(b) || ...);
  if (is_any(b)) return (is_one(a) || ...);
  return ((is_one(a) && is_one(b)) || ...);
}

bool bool_like(Type t) { return is(t, TypeKind::kBool); }
bool string_like(Type t) { return is(t, TypeKind::kString); }
bool int_like(Type t) { return is(t, TypeKind::kInt); }
bool time_like(Type t) { return is(t, TypeKind::kTime); }
bool duration_like(Type t) { return is(t, TypeKind::kDuration); }

Type numeric(Type a, Type b) {
  if (is(a, TypeKind::kFloat) || is(b, TypeKind::kFloat)) return is_any(a) || is_any(b) ? kAny : kFloat;
  return is(a, TypeKind::kInt) && is(b, TypeKind::kInt) ? kInt : kAny;
}

bool accepted(char letter, Type type) {
  switch (letter) {
    case 's':
      return is(type, TypeKind::kString);
    case 'i':
      return is(type, TypeKind::kInt);
    case 'n':
      return is_number(type);
    case 'c':
      return is_number(type) || is(type, TypeKind::kString);
    case 'a':
      return is(type, TypeKind::kList);
    case 'm':
      return is(type, TypeKind::kMap);
    case 'l':
      return is(type, TypeKind::kList) || is(type, TypeKind::kMap) || is(type, TypeKind::kString);
    case 'g':
      return is_number(type) || is(type, TypeKind::kList) || is(type, TypeKind::kNil);
    default:
      return true;
  }
}

const char* wanted(char letter) {
  switch (letter) {
    case 's':
      return "a string";
    case 'i':
      return "an int";
    case 'n':
      return "a number";
    case 'c':
      return "a number or a string";
    case 'a':
      return "a list";
    case 'm':
      return "a map";
    case 'l':
      return "a string, list or map";
    case 'g':
      return "a number or a list";
    default:
      return "a value";
  }
}

Type given(char letter, const std::vector<Type>& arguments) {
  switch (letter) {
    case 'b':
      return kBool;
    case 'i':
      return kInt;
    case 'f':
      return kFloat;
    case 's':
      return kString;
    case 'a':
      return kList;
    case 'm':
      return kMap;
    case 't':
      return {TypeKind::kTime};
    case 'd':
      return {TypeKind::kDuration};
    case '=':
      return arguments.empty() ? kAny : arguments.front();
    default:
      return kAny;
  }
}

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

class Checker {
 public:
  Checker(Tree& tree, const Environment* known) : tree_(tree), known_(known) {}

  std::expected<Checked, SyntaxError> run() {
    visit(*tree_.root);
    if (failed_) return std::unexpected(std::move(error_));
    return std::move(out_);
  }

 private:
  struct Variable {
    std::string_view name;
    Type type;
    uint32_t slot;
  };
  struct Scope {
    Type element;
    bool reduces;
  };

  [[gnu::noinline]] Type fail(const Node& at, std::string message) {
    if (!failed_) error_ = {.message = std::move(message), .offset = at.offset};
    failed_ = true;
    return kAny;
  }

  [[gnu::noinline]] Type mismatch(const Node& node, Type left, Type right) {
    return fail(node,
                std::string(spelling(node.op)) + " of " + spelled(left.kind) + " and " + spelled(right.kind));
  }

  Type visit(Node& node) {
    if (failed_) return kAny;
    switch (node.kind) {
      case NodeKind::kConstant:
        return type_of(node.value);
      case NodeKind::kIdentifier:
        return identifier(node);
      case NodeKind::kVariable:
        return kAny;
      case NodeKind::kUnary:
        return unary(node);
      case NodeKind::kBinary:
        return binary_chain(node);
      case NodeKind::kCompare:
        return compare(node);
      case NodeKind::kMember:
        return member(node);
      case NodeKind::kSlice:
        return slice(node);
      case NodeKind::kCall:
        return call(node);
      case NodeKind::kBuiltin:
        return node.builtin->predicate == Predicate::kNone ? builtin(node) : predicate(node);
      case NodeKind::kPredicate:
      case NodeKind::kChain:
        return visit(*node.children[0]);
      case NodeKind::kExists:
        ++within_exists_;
        visit(*node.children[0]);
        --within_exists_;
        return kBool;
      case NodeKind::kPointer:
        return pointer(node);
      case NodeKind::kLet:
        return let(node);
      case NodeKind::kConditional:
        return conditional(node);
      case NodeKind::kSequence: {
        Type last = kAny;
        for (Node* part : node.children) last = visit(*part);
        return last;
      }
      case NodeKind::kList:
        return list(node);
      case NodeKind::kMap:
        return map(node);
    }
    return kAny;
  }

  Type identifier(Node& node) {
    for (size_t i = variables_.size(); i-- > 0;) {
      if (variables_[i].name != node.name) continue;
      node.kind = NodeKind::kVariable;
      node.slot = variables_[i].slot;
      return variables_[i].type;
    }
    const auto [found, is_new] = slots_.try_emplace(node.name, static_cast<uint32_t>(out_.names.size()));
    node.slot = found->second;
    if (!is_new) return kAny;
    out_.names.push_back(node.name);
    Value unused;
    if (known_ && within_exists_ == 0 && !known_->find(node.name, unused))
      return fail(node, "unknown name '" + node.name + "'" + did_you_mean(node.name, known_->names()));
    return kAny;
  }

  Type unary(Node& node) {
    const Type type = visit(*node.children[0]);
    if (is_any(type)) return node.op == Op::kNot ? kBool : kAny;
    if (node.op == Op::kNot ? bool_like(type) : is_number(type)) return type;
    return fail(node, std::string(spelling(node.op)) + " of " + spelled(type.kind));
  }

  // The left sides of a chain are many; they are walked from the innermost on.
  Type binary_chain(Node& node) {
    const size_t start = chain_.size();
    Node* at = &node;
    while (at->kind == NodeKind::kBinary) {
      chain_.push_back(at);
      at = at->children[0];
    }
    Type left = visit(*at);
    while (chain_.size() > start) {
      Node& outer = *chain_.back();
      chain_.pop_back();
      left = binary(outer, left, visit(*outer.children[1]));
    }
    return left;
  }

  Type binary(Node& node, Type left, Type right) {
    if (failed_) return kAny;
    switch (node.op) {
      case Op::kEqual:
      case Op::kNotEqual:
        // What toPairs() gives are no lists to the reference.
        node.never_equal = is(left, TypeKind::kList) && is(right, TypeKind::kList) &&
                           (left.element == TypeKind::kPair) != (right.element == TypeKind::kPair);
        return comparable_types(left, right) ? kBool : mismatch(node, left, right);
      case Op::kOr:
      case Op::kAnd:
        if (!both(left, right, bool_like)) return mismatch(node, left, right);
        return kBool;
      case Op::kLess:
      case Op::kGreater:
      case Op::kLessEqual:
      case Op::kGreaterEqual:
        if (!both(left, right, is_number, string_like, time_like, duration_like))
          return mismatch(node, left, right);
        return kBool;
      case Op::kAdd:
        if (is(left, TypeKind::kTime) && is(right, TypeKind::kDuration)) return left;
        if (is(left, TypeKind::kDuration) && is(right, TypeKind::kTime)) return right;
        if (!both(left, right, is_number, string_like, time_like, duration_like))
          return mismatch(node, left, right);
        if (string_like(left) && string_like(right)) return kString;
        return numeric(left, right);
      case Op::kSubtract:
        if (is(left, TypeKind::kTime) && is(right, TypeKind::kDuration)) return left;
        if (is(left, TypeKind::kTime) && is(right, TypeKind::kTime)) return {TypeKind::kDuration};
        if (!both(left, right, is_number, time_like, duration_like)) return mismatch(node, left, right);
        return numeric(left, right);
      case Op::kMultiply:
        if (is(left, TypeKind::kDuration) || is(right, TypeKind::kDuration)) return kAny;
        if (!both(left, right, is_number)) return mismatch(node, left, right);
        return numeric(left, right);
      case Op::kDivide:
      case Op::kPower:
        if (is(left, TypeKind::kDuration)) return kAny;
        if (!both(left, right, is_number)) return mismatch(node, left, right);
        return kFloat;
      case Op::kModulo:
        if (!both(left, right, int_like)) return mismatch(node, left, right);
        return numeric(left, right);
      case Op::kRange:
        if (!both(left, right, int_like)) return mismatch(node, left, right);
        return {TypeKind::kList, TypeKind::kInt};
      case Op::kIn:
        return in(node, left, right);
      case Op::kMatches:
        return matches(node, left, right);
      case Op::kContains:
      case Op::kStartsWith:
      case Op::kEndsWith:
        return both(left, right, string_like) ? kBool : mismatch(node, left, right);
      case Op::kCoalesce:
        if (is(left, TypeKind::kNil)) return right;
        if (is(right, TypeKind::kNil)) return left;
        return left.kind == right.kind ? left : kAny;
      default:
        return kAny;
    }
  }

  Type in(const Node& node, Type left, Type right) {
    switch (right.kind) {
      case TypeKind::kAny:
        return kBool;
      case TypeKind::kList:
        return comparable_types(left, element_of(right)) ? kBool : mismatch(node, left, {right.element});
      case TypeKind::kMap:
        if (right.any_key || is_any(left) || is(left, TypeKind::kNil) || string_like(left)) return kBool;
        return mismatch(node, left, right);
      default:
        return mismatch(node, left, right);
    }
  }

  Type matches(Node& node, Type left, Type right) {
    if (!both(left, right, string_like)) return mismatch(node, left, right);
    const Node& pattern = *node.children[1];
    if (pattern.kind == NodeKind::kConstant && pattern.value.kind() == Kind::kString) {
      auto regex = CompiledRegex::compile(pattern.value.as_string());
      if (!regex) return fail(pattern, std::move(regex.error()));
      node.regex = regex->get();
      tree_.regexes.push_back(std::move(*regex));
    }
    return kBool;
  }

  Type compare(Node& node) {
    Type left = visit(*node.children[0]);
    for (size_t i = 1; i < node.children.size(); ++i) {
      const Type right = visit(*node.children[i]);
      if (failed_) return kAny;
      if (!both(left, right, is_number, string_like, time_like, duration_like))
        return fail(*node.children[i], std::string(spelling(node.ops[i - 1])) + " of " + spelled(left.kind) +
                                           " and " + spelled(right.kind));
      left = right;
    }
    return kBool;
  }

  Type member(Node& node) {
    const Type object = visit(*node.children[0]);
    const Type property = visit(*node.children[1]);
    if (failed_) return kAny;
    switch (object.kind) {
      case TypeKind::kAny:
        return kAny;
      case TypeKind::kMap:
        if (object.any_key || is_any(property) || string_like(property)) return kAny;
        return fail(*node.children[1],
                    std::string("the keys of a map are strings (got ") + spelled(property.kind) + ")");
      case TypeKind::kList:
      case TypeKind::kString:
        if (is_any(property) || int_like(property))
          return is(object, TypeKind::kList) ? Type{object.element} : kAny;
        return fail(*node.children[1], std::string("the elements of a ") + spelled(object.kind) +
                                           " are found by an int (got " + spelled(property.kind) + ")");
      case TypeKind::kTime:
      case TypeKind::kDuration:
        if (!member_name(node).empty()) return kAny;
        [[fallthrough]];
      default:
        return fail(node, std::string(spelled(object.kind)) + " has no members");
    }
  }

  Type slice(Node& node) {
    const Type object = visit(*node.children[0]);
    if (!failed_ && !is_any(object) && !is(object, TypeKind::kList) && !string_like(object))
      return fail(node, std::string("a slice of ") + spelled(object.kind));
    for (size_t i = 1; i < 3; ++i) {
      if (!node.children[i]) continue;
      const Type bound = visit(*node.children[i]);
      if (!failed_ && !is_any(bound) && !int_like(bound))
        return fail(*node.children[i],
                    std::string("the bounds of a slice are ints (got ") + spelled(bound.kind) + ")");
    }
    return object;
  }

  Type call(Node& node) {
    visit(*node.children[0]);
    for (size_t i = 1; i < node.children.size(); ++i) visit(*node.children[i]);
    return kAny;
  }

  Type builtin(Node& node) {
    const Builtin& function = *node.builtin;
    std::vector<Type> types;
    for (Node* argument : node.children) types.push_back(visit(*argument));
    if (failed_) return kAny;
    if (types.size() < function.min_arguments || types.size() > function.max_arguments) {
      std::string expected = std::to_string(function.min_arguments);
      if (function.max_arguments == UINT8_MAX) {
        expected = "at least " + expected;
      } else if (function.max_arguments != function.min_arguments) {
        expected += " to " + std::to_string(function.max_arguments);
      }
      return fail(node, function.name.data() + std::string("(") + std::string(function.arguments) +
                            ") takes " + expected + " arguments (got " + std::to_string(types.size()) + ")");
    }
    for (size_t i = 0; i < types.size(); ++i) {
      const char letter = function.accepts[std::min(i, function.accepts.size() - 1)];
      if (is_any(types[i]) || accepted(letter, types[i])) continue;
      return fail(*node.children[i], std::string(function.name) + " takes " + wanted(letter) + " (got " +
                                         spelled(types[i].kind) + ")");
    }
    if (function.name == "get" && is(types[0], TypeKind::kNil))
      return fail(*node.children[0], "nil has no members");
    if (function.name == "toPairs") return {TypeKind::kList, TypeKind::kPair};
    return given(function.gives, types);
  }

  Type predicate(Node& node) {
    const Builtin& function = *node.builtin;
    const Type collection = visit(*node.children[0]);
    if (failed_) return kAny;
    // A text has its bytes for elements, if only where that shows when run.
    if (!is_any(collection) && !is(collection, TypeKind::kList))
      return fail(*node.children[0],
                  std::string(function.name) + " takes a list (got " + spelled(collection.kind) + ")");
    Type body = kAny;
    if (node.children.size() > 1) {
      scopes_.push_back(
          {.element = {collection.element}, .reduces = function.predicate == Predicate::kReduce});
      body = visit(*node.children[1]);
      scopes_.pop_back();
    }
    for (size_t i = 2; i < node.children.size(); ++i) visit(*node.children[i]);
    if (failed_) return kAny;
    return predicate_result(node, collection, body);
  }

  static Type element_of(Type list) { return list.element == TypeKind::kPair ? kAny : Type{list.element}; }

  Type predicate_result(const Node& node, Type collection, Type body) {
    const Node& at = *node.children[std::min<size_t>(1, node.children.size() - 1)];
    switch (node.builtin->predicate) {
      case Predicate::kMap:
        return {TypeKind::kList, body.kind};
      case Predicate::kSum:
        return is_any(body) || is_number(body)
                   ? body
                   : fail(at, std::string("sum adds numbers (got ") + spelled(body.kind) + ")");
      case Predicate::kGroupBy:
        return {.kind = TypeKind::kMap, .element = TypeKind::kAny, .any_key = true};
      case Predicate::kSortBy:
        return kList;
      case Predicate::kReduce:
        return kAny;
      default:
        break;
    }
    if (!is_any(body) && !bool_like(body))
      return fail(at, std::string("the predicate of ") + std::string(node.builtin->name) +
                          " gives a bool (got " + spelled(body.kind) + ")");
    switch (node.builtin->predicate) {
      case Predicate::kFilter:
        return is(collection, TypeKind::kList) ? collection : kList;
      case Predicate::kFind:
      case Predicate::kFindLast:
        return kAny;
      case Predicate::kFindIndex:
      case Predicate::kFindLastIndex:
      case Predicate::kCount:
        return kInt;
      default:
        return kBool;
    }
  }

  Type pointer(const Node& node) {
    const Scope& scope = scopes_.back();
    if (node.name.empty()) return scope.element;
    if (node.name == "index") return kInt;
    if (node.name == "acc" && scope.reduces) return kAny;
    return fail(node, "unknown pointer #" + node.name);
  }

  Type let(Node& node) {
    if (find_builtin(node.name)) return fail(node, "cannot redeclare the function " + node.name);
    for (const Variable& variable : variables_)
      if (variable.name == node.name) return fail(node, "cannot redeclare " + node.name);
    const Type type = visit(*node.children[0]);
    node.slot = static_cast<uint32_t>(variables_.size());
    out_.variables = std::max(out_.variables, node.slot + 1);
    variables_.push_back({.name = node.name, .type = type, .slot = node.slot});
    const Type body = visit(*node.children[1]);
    variables_.pop_back();
    return body;
  }

  Type conditional(Node& node) {
    const Type condition = visit(*node.children[0]);
    if (!failed_ && !is_any(condition) && !bool_like(condition))
      return fail(*node.children[0], std::string("the condition is no bool but ") + spelled(condition.kind));
    const Type then = node.children.size() == 3 ? visit(*node.children[1]) : condition;
    const Type otherwise = visit(*node.children.back());
    if (is(then, TypeKind::kNil)) return otherwise;
    if (is(otherwise, TypeKind::kNil)) return then;
    return then.kind == otherwise.kind ? then : kAny;
  }

  Type list(Node& node) {
    Type element = kAny;
    bool constant = true;
    for (size_t i = 0; i < node.children.size(); ++i) {
      const Type type = visit(*node.children[i]);
      element = i == 0 || type.kind == element.kind ? type : kAny;
      constant = constant && node.children[i]->kind == NodeKind::kConstant;
    }
    if (constant && !failed_) {
      List values;
      values.reserve(node.children.size());
      for (const Node* child : node.children) values.push_back(child->value);
      node.value = Value(std::move(values));
    }
    return {TypeKind::kList, homogeneous(node) ? element.kind : TypeKind::kAny};
  }

  // Of constants alone: what else is in it is seldom known.
  static bool homogeneous(const Node& node) {
    for (const Node* child : node.children)
      if (child->kind != NodeKind::kConstant || child->value.kind() != node.children[0]->value.kind())
        return false;
    return !node.children.empty();
  }

  Type map(Node& node) {
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      const Type key = visit(*node.children[i]);
      if (!failed_ && !is_any(key) && !string_like(key))
        return fail(*node.children[i],
                    std::string("the keys of a map are strings (got ") + spelled(key.kind) + ")");
      visit(*node.children[i + 1]);
    }
    return kMap;
  }

  Tree& tree_;
  const Environment* known_;
  Checked out_;
  std::vector<Variable> variables_;
  std::vector<Scope> scopes_;
  std::vector<Node*> chain_;
  std::unordered_map<std::string_view, uint32_t> slots_;
  int within_exists_ = 0;
  bool failed_ = false;
  SyntaxError error_;
};

}  // namespace

std::expected<Checked, SyntaxError> check(Tree& tree, const Environment* known_names) {
  return Checker(tree, known_names).run();
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  constexpr size_t kLongest = 64;
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, name.size() / 3) + 1;
  if (name.size() > kLongest) return "";
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongest || candidate == name) continue;
    const size_t away = distance(name, candidate);
    if (away >= best_distance) continue;
    best_distance = away;
    best = candidate;
  }
  return best.empty() ? "" : "; did you mean " + std::string(best) + "?";
}

}  // namespace testmesh::expr
