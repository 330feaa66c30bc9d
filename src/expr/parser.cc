#include "expr/parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "expr/builtins.h"
#include "expr/regex.h"

namespace testmesh::expr {

Tree::Tree() = default;
Tree::Tree(Tree&&) noexcept = default;
Tree& Tree::operator=(Tree&&) noexcept = default;
Tree::~Tree() = default;

namespace {

struct BinaryOperator {
  std::string_view spelling;
  Op op;
  int precedence;
  bool right_associative = false;
};

constexpr int kPipePrecedence = 0;
constexpr std::array kBinaryOperators = {
    BinaryOperator{"|", Op::kNone, kPipePrecedence},
    BinaryOperator{"or", Op::kOr, 10},
    BinaryOperator{"||", Op::kOr, 10},
    BinaryOperator{"and", Op::kAnd, 15},
    BinaryOperator{"&&", Op::kAnd, 15},
    BinaryOperator{"==", Op::kEqual, 20},
    BinaryOperator{"!=", Op::kNotEqual, 20},
    BinaryOperator{"<", Op::kLess, 20},
    BinaryOperator{">", Op::kGreater, 20},
    BinaryOperator{">=", Op::kGreaterEqual, 20},
    BinaryOperator{"<=", Op::kLessEqual, 20},
    BinaryOperator{"in", Op::kIn, 20},
    BinaryOperator{"matches", Op::kMatches, 20},
    BinaryOperator{"contains", Op::kContains, 20},
    BinaryOperator{"startsWith", Op::kStartsWith, 20},
    BinaryOperator{"endsWith", Op::kEndsWith, 20},
    BinaryOperator{"..", Op::kRange, 25},
    BinaryOperator{"+", Op::kAdd, 30},
    BinaryOperator{"-", Op::kSubtract, 30},
    BinaryOperator{"*", Op::kMultiply, 60},
    BinaryOperator{"/", Op::kDivide, 60},
    BinaryOperator{"%", Op::kModulo, 60},
    BinaryOperator{"**", Op::kPower, 100, true},
    BinaryOperator{"^", Op::kPower, 100, true},
    BinaryOperator{"??", Op::kCoalesce, 500},
};
constexpr int kNotPrecedence = 50, kSignPrecedence = 90;

const BinaryOperator* find_binary(const Token& token) {
  if (token.kind != TokenKind::kOperator) return nullptr;
  for (const BinaryOperator& known : kBinaryOperators)
    if (known.spelling == token.text) return &known;
  return nullptr;
}

bool is_comparison(Op op) {
  return op == Op::kLess || op == Op::kGreater || op == Op::kLessEqual || op == Op::kGreaterEqual;
}

bool takes_not(Op op) {
  return op == Op::kIn || op == Op::kMatches || op == Op::kContains || op == Op::kStartsWith ||
         op == Op::kEndsWith;
}

class Parser {
 public:
  Parser(std::vector<Token> tokens, size_t max_depth) : tokens_(std::move(tokens)), max_depth_(max_depth) {}

  std::expected<Tree, SyntaxError> run() {
    Node* root = sequence();
    if (!failed_ && current().kind != TokenKind::kEnd) unexpected();
    if (failed_) return std::unexpected(std::move(error_));
    tree_.root = root;
    return std::move(tree_);
  }

 private:
  // A failure moves to the end of the tokens, so that every loop ends.
  [[gnu::noinline]] Node* fail(uint32_t offset, std::string message) {
    if (!failed_) error_ = {.message = std::move(message), .offset = offset};
    failed_ = true;
    at_ = tokens_.size() - 1;
    return nullptr;
  }

  [[gnu::noinline]] Node* unexpected(std::string_view expected = {}) {
    const Token& token = current();
    std::string message =
        token.kind == TokenKind::kEnd
            ? "the expression ends too early"
            : "unexpected " + std::string(token.kind == TokenKind::kText ? "text " : "") + quoted(token.text);
    if (!expected.empty()) message += " (expected " + std::string(expected) + ")";
    return fail(token.offset, std::move(message));
  }

  static std::string quoted(std::string_view text) {
    constexpr size_t kShown = 40;
    return "'" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "…'" : "'");
  }

  const Token& current() const { return tokens_[at_]; }
  const Token& ahead(size_t n) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  bool at_operator(std::string_view text) const { return current().is(TokenKind::kOperator, text); }
  bool at_bracket(std::string_view text) const { return current().is(TokenKind::kBracket, text); }

  void next() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }

  bool expect_operator(std::string_view text) {
    if (!at_operator(text)) return expected(text);
    next();
    return true;
  }

  bool expect_bracket(std::string_view text) {
    if (!at_bracket(text)) return expected(text);
    next();
    return true;
  }

  [[gnu::noinline]] bool expected(std::string_view text) {
    unexpected("'" + std::string(text) + "'");
    return false;
  }

  Node* make(NodeKind kind, uint32_t offset, std::vector<Node*> children = {}, Op op = Op::kNone) {
    if (failed_) return nullptr;
    Node& node = tree_.nodes.emplace_back();
    node.kind = kind;
    node.offset = offset;
    node.op = op;
    for (size_t i = 0; i < children.size(); ++i) {
      if (!children[i]) continue;
      // Long chains a + b + c … are walked in loops, not by recursion.
      const bool left = kind == NodeKind::kBinary && i == 0 && children[0]->kind == NodeKind::kBinary;
      node.depth = std::max(node.depth, children[i]->depth + (left ? 0 : 1));
    }
    node.children = std::move(children);
    if (node.depth > max_depth_) return too_deep(offset);
    return &node;
  }

  Node* too_deep(uint32_t offset) {
    return fail(offset, "nested more than " + std::to_string(max_depth_) + " deep");
  }

  Node* constant(uint32_t offset, Value value) {
    Node* node = make(NodeKind::kConstant, offset);
    if (node) node->value = std::move(value);
    return node;
  }

  Node* named(NodeKind kind, uint32_t offset, std::string_view name, std::vector<Node*> children = {}) {
    Node* node = make(kind, offset, std::move(children));
    if (node) node->name = name;
    return node;
  }

  // a; b; c
  Node* sequence() {
    const uint32_t offset = current().offset;
    Node* first = expression(0);
    if (!at_operator(";")) return first;
    std::vector<Node*> parts = {first};
    while (at_operator(";") && !failed_) {
      next();
      if (current().kind == TokenKind::kEnd) break;
      parts.push_back(expression(0));
    }
    if (parts.size() == 1) return first;
    return make(NodeKind::kSequence, offset, std::move(parts));
  }

  Node* expression(int precedence) {
    if (++recursion_ > max_depth_ + max_depth_ / 5) {
      --recursion_;
      return too_deep(current().offset);
    }
    Node* node = expression_here(precedence);
    --recursion_;
    return node;
  }

  Node* expression_here(int precedence) {
    if (precedence == 0) {
      if (at_operator("let")) return let();
      if (at_operator("if")) return if_else();
    }
    Node* left = primary();
    bool after_coalesce = false;
    while (!failed_) {
      const bool negated = at_operator("not");
      const Token& token = negated ? ahead(1) : current();
      const BinaryOperator* known = find_binary(token);
      if (negated && (!known || !takes_not(known->op))) {
        next();
        return unexpected("in, contains, matches, startsWith or endsWith after not");
      }
      if (!known || known->precedence < precedence) break;
      const uint32_t offset = token.offset, not_offset = current().offset;
      if (negated) next();
      next();
      if (known->op == Op::kNone) {
        left = pipe(left);
        after_coalesce = false;
        continue;
      }
      if (after_coalesce && known->op != Op::kCoalesce)
        return fail(offset, "'" + std::string(known->spelling) +
                                "' directly after \"??\" needs parentheses around either");
      if (is_comparison(known->op)) {
        left = comparison(left, *known, offset);
      } else {
        Node* right = expression(known->right_associative ? known->precedence : known->precedence + 1);
        left = make(NodeKind::kBinary, offset, {left, right}, known->op);
        if (negated) left = make(NodeKind::kUnary, not_offset, {left}, Op::kNot);
      }
      after_coalesce = known->op == Op::kCoalesce;
    }
    return precedence == 0 ? conditional(left) : left;
  }

  // a < b < c is a < b and b < c.
  Node* comparison(Node* first, const BinaryOperator& first_operator, uint32_t offset) {
    std::vector<Node*> operands = {first, expression(first_operator.precedence + 1)};
    std::vector<Op> ops = {first_operator.op};
    for (const BinaryOperator* more = find_binary(current()); more && is_comparison(more->op) && !failed_;
         more = find_binary(current())) {
      next();
      ops.push_back(more->op);
      operands.push_back(expression(more->precedence + 1));
    }
    if (ops.size() == 1) return make(NodeKind::kBinary, offset, std::move(operands), ops.front());
    Node* node = make(NodeKind::kCompare, offset, std::move(operands));
    if (node) node->ops = std::move(ops);
    return node;
  }

  static bool is_boolean(const Token& name) { return name.text == "true" || name.text == "false"; }
  static bool is_nil(const Token& name) { return name.text == "nil" || name.text == "null"; }

  Node* pipe(Node* left) {
    const Token& name = current();
    if (name.kind != TokenKind::kName || is_boolean(name) || is_nil(name))
      return unexpected("a function after '|'");
    next();
    return call(name, {left}, true);
  }

  Node* let() {
    next();
    const Token& name = current();
    if (name.kind != TokenKind::kName) return unexpected("a name after let");
    next();
    if (!expect_operator("=")) return nullptr;
    Node* value = expression(0);
    if (failed_ || !expect_operator(";")) return nullptr;
    Node* body = sequence();
    return named(NodeKind::kLet, name.offset, name.text, {value, body});
  }

  Node* if_else() {
    const uint32_t offset = current().offset;
    next();
    Node* condition = expression(0);
    if (failed_ || !expect_bracket("{")) return nullptr;
    Node* then = sequence();
    if (failed_ || !expect_bracket("}") || !expect_operator("else")) return nullptr;
    Node* otherwise = nullptr;
    if (at_operator("if")) {
      otherwise = expression(0);
    } else {
      if (!expect_bracket("{")) return nullptr;
      otherwise = sequence();
      if (failed_ || !expect_bracket("}")) return nullptr;
    }
    return make(NodeKind::kConditional, offset, {condition, then, otherwise});
  }

  Node* conditional(Node* condition) {
    while (at_operator("?") && !failed_) {
      const uint32_t offset = current().offset;
      next();
      std::vector<Node*> parts = {condition};
      if (!at_operator(":")) parts.push_back(expression(0));
      if (failed_ || !expect_operator(":")) return nullptr;
      parts.push_back(expression(0));
      condition = make(NodeKind::kConditional, offset, std::move(parts));
    }
    return condition;
  }

  Node* primary() {
    const Token& token = current();
    if (token.kind == TokenKind::kOperator) return primary_operator();
    if (at_bracket("(")) {
      next();
      Node* inner = sequence();
      if (failed_ || !expect_bracket(")")) return nullptr;
      return postfix(inner);
    }
    return secondary();
  }

  Node* primary_operator() {
    const Token& token = current();
    const uint32_t offset = token.offset;
    const std::string_view text = token.text;
    if (text == "not" || text == "!" || text == "-" || text == "+") {
      const Op op = text == "-" ? Op::kNegate : text == "+" ? Op::kPlus : Op::kNot;
      next();
      Node* operand = expression(op == Op::kNot ? kNotPrecedence : kSignPrecedence);
      return postfix(make(NodeKind::kUnary, offset, {operand}, op));
    }
    if (text == "#" || text == ".") {
      if (predicates_ == 0) return fail(offset, "'" + std::string(text) + "' outside of a predicate");
      std::string_view name;
      if (text == "#") {
        next();
        if (current().kind == TokenKind::kName && current().offset == offset + 1) {
          name = current().text;
          next();
        }
      }
      return postfix(named(NodeKind::kPointer, offset, name));
    }
    if (text == "::") {
      next();
      const Token& name = current();
      if (name.kind != TokenKind::kName) return unexpected("a function after '::'");
      next();
      return postfix(call(name, {}, false));
    }
    return unexpected("a value");
  }

  Node* secondary() {
    const Token& token = current();
    const uint32_t offset = token.offset;
    switch (token.kind) {
      case TokenKind::kName:
        return name();
      case TokenKind::kNumber:
        return exists(number());
      case TokenKind::kText: {
        Node* node = constant(offset, Value(token.value));
        next();
        return postfix(node);
      }
      default:
        break;
    }
    if (at_bracket("[")) return postfix(list());
    if (at_bracket("{")) return postfix(map());
    return unexpected("a value");
  }

  Node* name() {
    const Token& token = current();
    next();
    if (is_boolean(token)) return exists(constant(token.offset, token.text == "true"));
    if (is_nil(token)) return exists(constant(token.offset, nullptr));
    if (at_bracket("(")) return postfix(call(token, {}, false));
    return postfix(named(NodeKind::kIdentifier, token.offset, token.text));
  }

  // `bare`: after `|`, where the parentheses may be left out.
  Node* call(const Token& name, std::vector<Node*> arguments, bool bare) {
    const Builtin* builtin = find_builtin(name.text);
    const bool parenthesized = at_bracket("(");
    if (builtin && builtin->predicate != Predicate::kNone) {
      if (parenthesized || !bare) {
        if (!predicate_arguments(*builtin, arguments)) return nullptr;
      } else if (arguments.size() < builtin->min_arguments) {
        return needs_predicate(name);
      }
    } else if (parenthesized || !bare) {
      if (!call_arguments(arguments)) return nullptr;
    }
    if (builtin) {
      Node* node = named(NodeKind::kBuiltin, name.offset, name.text, std::move(arguments));
      if (node) node->builtin = builtin;
      return node;
    }
    arguments.insert(arguments.begin(), named(NodeKind::kIdentifier, name.offset, name.text));
    return make(NodeKind::kCall, name.offset, std::move(arguments));
  }

  bool call_arguments(std::vector<Node*>& arguments) {
    if (!expect_bracket("(")) return false;
    for (bool first = true; !at_bracket(")") && !failed_; first = false) {
      if (!first && !expect_operator(",")) return false;
      if (at_bracket(")")) break;
      arguments.push_back(expression(0));
    }
    return !failed_ && expect_bracket(")");
  }

  [[gnu::noinline]] void too_few(const Builtin& builtin) {
    fail(current().offset, std::string(builtin.name) + " needs " + std::to_string(builtin.min_arguments) +
                               " arguments: " + std::string(builtin.name) + "(" +
                               std::string(builtin.arguments) + ")");
  }

  [[gnu::noinline]] Node* needs_predicate(const Token& name) {
    return fail(name.offset, std::string(name.text) + " needs a predicate in parentheses");
  }

  bool predicate_arguments(const Builtin& builtin, std::vector<Node*>& arguments) {
    if (!expect_bracket("(")) return false;
    const size_t given = arguments.size();
    while (arguments.size() < builtin.max_arguments && !failed_) {
      if (at_bracket(")")) {
        if (arguments.size() >= builtin.min_arguments) break;
        too_few(builtin);
        return false;
      }
      if (arguments.size() > given && !expect_operator(",")) return false;
      arguments.push_back(arguments.size() == 1 ? predicate() : expression(0));
    }
    if (at_operator(",")) next();
    return !failed_ && expect_bracket(")");
  }

  Node* predicate() {
    const uint32_t offset = current().offset;
    const bool braces = at_bracket("{");
    if (braces) next();
    // Of all that nests, this takes the most of the stack.
    ++recursion_;
    ++predicates_;
    Node* body = braces ? sequence() : expression(0);
    --predicates_;
    --recursion_;
    if (failed_) return nullptr;
    if (braces) {
      if (!expect_bracket("}")) return nullptr;
    } else if (at_operator(";")) {
      return fail(current().offset, "a predicate of several expressions needs braces: { a; b }");
    }
    return make(NodeKind::kPredicate, offset, {body});
  }

  Node* list() {
    const uint32_t offset = current().offset;
    next();
    std::vector<Node*> elements;
    while (!at_bracket("]") && !failed_) {
      if (!elements.empty()) {
        if (!expect_operator(",")) return nullptr;
        if (at_bracket("]")) break;
      }
      elements.push_back(expression(0));
    }
    if (failed_ || !expect_bracket("]")) return nullptr;
    return make(NodeKind::kList, offset, std::move(elements));
  }

  Node* map() {
    const uint32_t offset = current().offset;
    next();
    std::vector<Node*> entries;
    while (!at_bracket("}") && !failed_) {
      if (!entries.empty()) {
        if (!expect_operator(",")) return nullptr;
        if (at_bracket("}")) break;
      }
      const Token& token = current();
      if (token.kind == TokenKind::kName || token.kind == TokenKind::kNumber) {
        entries.push_back(constant(token.offset, Value(token.text)));
        next();
      } else if (token.kind == TokenKind::kText) {
        entries.push_back(constant(token.offset, Value(token.value)));
        next();
      } else if (at_bracket("(")) {
        entries.push_back(expression(0));
      } else {
        return unexpected("a key: a name, a text, a number or an expression in parentheses");
      }
      if (failed_ || !expect_operator(":")) return nullptr;
      entries.push_back(expression(0));
    }
    if (failed_ || !expect_bracket("}")) return nullptr;
    return make(NodeKind::kMap, offset, std::move(entries));
  }

  Node* number() {
    const Token& token = current();
    const uint32_t offset = token.offset;
    std::string digits(token.text);
    std::erase(digits, '_');
    next();
    const char* begin = digits.data();
    const char* end = begin + digits.size();
    const char base = digits.size() > 1 && digits[0] == '0' ? static_cast<char>(digits[1] | 0x20) : '\0';
    const bool hex = base == 'x';
    if (!hex && digits.find_first_of(".eE") != std::string::npos) {
      double value = 0;
      const auto [stop, error] = std::from_chars(begin, end, value);
      if (error == std::errc::result_out_of_range && stop == end)
        value = std::strtod(digits.c_str(), nullptr);
      if (stop != end || (error != std::errc{} && error != std::errc::result_out_of_range))
        return fail(offset, "'" + digits + "' is no number");
      if (!std::isfinite(value)) return fail(offset, "the number is too large");
      return constant(offset, value);
    }
    int radix = 10;
    if (hex || base == 'o' || base == 'b') {
      radix = hex ? 16 : base == 'o' ? 8 : 2;
      begin += 2;
    }
    int64_t value = 0;
    const auto [stop, error] = std::from_chars(begin, end, value, radix);
    if (error == std::errc::result_out_of_range) return fail(offset, "the integer is too large");
    if (error != std::errc{} || stop != end)
      return fail(offset, "'" + digits.substr(0, 40) + "' is no number");
    return constant(offset, value);
  }

  bool at_exists() const { return current().is(TokenKind::kName, "exists"); }

  Node* exists(Node* operand) {
    while (at_exists() && !failed_) {
      const uint32_t offset = current().offset;
      next();
      operand = make(NodeKind::kExists, offset, {operand});
    }
    return operand;
  }

  // Within `a?.b.c` the chain goes on: it is nil as a whole where a is.
  static Node* unchained(Node* node, bool& chained) {
    if (node->kind != NodeKind::kChain) return node;
    chained = true;
    return node->children.front();
  }

  Node* postfix(Node* node) {
    while (!failed_) {
      const Token& token = current();
      if (at_exists()) {
        node = exists(node);
      } else if (token.kind == TokenKind::kOperator && (token.text == "." || token.text == "?.")) {
        const bool optional = token.text == "?.";
        next();
        node = optional && at_bracket("[") ? index(node, true) : member(node, optional);
      } else if (at_bracket("[")) {
        node = index(node, false);
      } else {
        break;
      }
    }
    return failed_ ? nullptr : node;
  }

  Node* member(Node* object, bool optional) {
    const Token& name = current();
    const bool word =
        name.kind == TokenKind::kName || (name.kind == TokenKind::kOperator && is_keyword(name.text));
    if (!word) return unexpected("a name after '.'");
    next();
    bool chained = optional;
    object = unchained(object, chained);
    Node* node = make(NodeKind::kMember, name.offset, {object, constant(name.offset, Value(name.text))});
    if (!node) return nullptr;
    node->optional = optional;
    if (at_bracket("(")) {
      std::vector<Node*> arguments = {node};
      if (!call_arguments(arguments)) return nullptr;
      node = make(NodeKind::kCall, name.offset, std::move(arguments));
    }
    return chained ? make(NodeKind::kChain, name.offset, {node}) : node;
  }

  Node* index(Node* object, bool optional) {
    const uint32_t offset = current().offset;
    next();
    Node *from = nullptr, *to = nullptr;
    bool slice = at_operator(":");
    if (!slice) {
      from = expression(0);
      if (failed_) return nullptr;
      slice = at_operator(":");
    }
    if (slice) {
      next();
      if (!at_bracket("]")) to = expression(0);
      if (failed_ || !expect_bracket("]")) return nullptr;
      return make(NodeKind::kSlice, offset, {object, from, to});
    }
    if (!expect_bracket("]")) return nullptr;
    bool chained = optional;
    object = unchained(object, chained);
    Node* node = make(NodeKind::kMember, offset, {object, from});
    if (!node) return nullptr;
    node->optional = optional;
    return chained ? make(NodeKind::kChain, offset, {node}) : node;
  }

  std::vector<Token> tokens_;
  const size_t max_depth_;
  size_t at_ = 0;
  size_t recursion_ = 0;
  size_t predicates_ = 0;  // that we are inside of
  bool failed_ = false;
  SyntaxError error_;
  Tree tree_;
};

}  // namespace

std::expected<Tree, SyntaxError> parse(std::string_view source, size_t max_depth) {
  auto tokens = tokenize(source);
  if (!tokens) return std::unexpected(std::move(tokens.error()));
  return Parser(std::move(*tokens), max_depth).run();
}

}  // namespace testmesh::expr
