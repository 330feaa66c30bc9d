// Tree -> canonical text, and whether two trees are equal.
#include <algorithm>
#include <cmath>

#include "expr/ast.h"
#include "expr/builtins.h"
#include "expr/json.h"
#include "expr/lexer.h"

namespace testmesh::expr {

std::string_view spelling(Op op) {
  switch (op) {
    case Op::kNone:
      return "";
    case Op::kNot:
      return "not";
    case Op::kNegate:
    case Op::kSubtract:
      return "-";
    case Op::kPlus:
    case Op::kAdd:
      return "+";
    case Op::kOr:
      return "or";
    case Op::kAnd:
      return "and";
    case Op::kEqual:
      return "==";
    case Op::kNotEqual:
      return "!=";
    case Op::kLess:
      return "<";
    case Op::kGreater:
      return ">";
    case Op::kLessEqual:
      return "<=";
    case Op::kGreaterEqual:
      return ">=";
    case Op::kIn:
      return "in";
    case Op::kMatches:
      return "matches";
    case Op::kContains:
      return "contains";
    case Op::kStartsWith:
      return "startsWith";
    case Op::kEndsWith:
      return "endsWith";
    case Op::kRange:
      return "..";
    case Op::kMultiply:
      return "*";
    case Op::kDivide:
      return "/";
    case Op::kModulo:
      return "%";
    case Op::kPower:
      return "**";
    case Op::kCoalesce:
      return "??";
  }
  return "";
}

namespace {

// Texts as the lexer reads them: JSON's escapes are among its own, but a byte
// that is no UTF-8 has to stay what it is.
void append_text(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

class Printer {
 public:
  std::string out;

  void print(const Node& node) {
    switch (node.kind) {
      case NodeKind::kConstant:
        constant(node.value);
        break;
      case NodeKind::kIdentifier:
      case NodeKind::kVariable:
        out += node.name;
        break;
      case NodeKind::kUnary:
        out += spelling(node.op);
        if (node.op == Op::kNot) out += ' ';
        operand(node.child(0));
        break;
      case NodeKind::kBinary:
        binary(node);
        break;
      case NodeKind::kCompare:
        operand(node.child(0));
        for (size_t i = 1; i < node.children.size(); ++i) {
          out += ' ';
          out += spelling(node.ops[i - 1]);
          out += ' ';
          operand(node.child(i));
        }
        break;
      case NodeKind::kMember:
        member(node);
        break;
      case NodeKind::kSlice:
        // A chain that a slice is taken of ended before it.
        object(node.child(0));
        out += '[';
        if (node.children[1]) print(node.child(1));
        out += ':';
        if (node.children[2]) print(node.child(2));
        out += ']';
        break;
      case NodeKind::kCall:
        print(node.child(0));
        arguments(node, 1);
        break;
      case NodeKind::kBuiltin:
        out += node.name;
        arguments(node, 0);
        break;
      case NodeKind::kPredicate:
        predicate(node.child(0));
        break;
      case NodeKind::kPointer:
        out += '#';
        out += node.name;
        break;
      case NodeKind::kLet:
        out += "let " + node.name + " = ";
        bracketed_if(node.child(0), is_open(node.child(0)));
        out += "; ";
        print(node.child(1));
        break;
      case NodeKind::kConditional:
        operand(node.child(0));
        out += " ? ";
        if (node.children.size() == 3) {
          operand(node.child(1));
          out += ' ';
        }
        out += ": ";
        operand(*node.children.back());
        break;
      case NodeKind::kSequence:
        for (size_t i = 0; i < node.children.size(); ++i) {
          if (i > 0) out += "; ";
          bracketed_if(node.child(i), is_open(node.child(i)));
        }
        break;
      case NodeKind::kList:
        out += '[';
        list(node.children, 0);
        out += ']';
        break;
      case NodeKind::kMap:
        map(node);
        break;
      case NodeKind::kChain:
        print(node.child(0));
        break;
      case NodeKind::kExists:
        operand(node.child(0));
        out += " exists";
        break;
    }
  }

 private:
  // What needs parentheses as a part of something else: all that is not closed in itself.
  static bool is_closed(const Node& node) {
    switch (node.kind) {
      case NodeKind::kConstant:
        return true;
      case NodeKind::kIdentifier:
      case NodeKind::kVariable:
      case NodeKind::kMember:
      case NodeKind::kSlice:
      case NodeKind::kCall:
      case NodeKind::kBuiltin:
      case NodeKind::kPointer:
      case NodeKind::kList:
      case NodeKind::kMap:
      case NodeKind::kChain:
        return true;
      default:
        return false;
    }
  }

  // What would swallow a following `;`.
  static bool is_open(const Node& node) {
    return node.kind == NodeKind::kLet || node.kind == NodeKind::kSequence;
  }

  void bracketed_if(const Node& node, bool needed) {
    if (needed) out += '(';
    print(node);
    if (needed) out += ')';
  }

  void operand(const Node& node) { bracketed_if(node, !is_closed(node)); }

  // What `.name`, `[…]` follow: constants but texts, and unaries, cannot have them.
  void object(const Node& node) {
    const bool text = node.kind == NodeKind::kConstant && node.value.kind() == Kind::kString;
    bracketed_if(node, !(text || (is_closed(node) && node.kind != NodeKind::kConstant)));
  }

  void constant(const Value& value) {
    switch (value.kind()) {
      case Kind::kString:
        append_text(out, value.as_string());
        break;
      case Kind::kFloat:
        append_float(out, value.as_float());
        break;
      case Kind::kNil:
        out += "nil";
        break;
      default:
        append_json(out, value);
    }
  }

  void binary(const Node& node) {
    std::vector<const Node*> chain;
    const Node* at = &node;
    for (; at->kind == NodeKind::kBinary; at = at->children[0]) chain.push_back(at);
    out.append(chain.size() - 1, '(');
    operand(*at);
    for (size_t i = chain.size(); i-- > 0;) {
      out += ' ';
      out += spelling(chain[i]->op);
      out += ' ';
      operand(chain[i]->child(1));
      if (i > 0) out += ')';
    }
  }

  void member(const Node& node) {
    const bool pointer = node.child(0).kind == NodeKind::kPointer && node.child(0).name.empty();
    const std::string_view name = member_name(node);
    const bool plain = is_name(name);
    if (!(pointer && plain && !node.optional)) object(node.child(0));
    if (node.optional) {
      out += "?.";
    } else if (plain) {
      out += '.';
    }
    if (plain) {
      out += name;
      return;
    }
    out += '[';
    print(node.child(1));
    out += ']';
  }

  void list(const std::vector<Node*>& nodes, size_t from) {
    for (size_t i = from; i < nodes.size(); ++i) {
      if (i > from) out += ", ";
      bracketed_if(*nodes[i], nodes[i]->kind == NodeKind::kSequence);
    }
  }

  void arguments(const Node& node, size_t from) {
    out += '(';
    list(node.children, from);
    out += ')';
  }

  void predicate(const Node& body) {
    // A `{` would begin the predicate's own braces.
    const bool braces =
        body.kind == NodeKind::kSequence || body.kind == NodeKind::kLet || begins_with_brace(body);
    if (braces) out += "{ ";
    print(body);
    if (braces) out += " }";
  }

  static bool begins_with_brace(const Node& node) {
    const Node* at = &node;
    for (;;) {
      switch (at->kind) {
        case NodeKind::kMap:
          return true;
        case NodeKind::kBinary:
        case NodeKind::kCompare:
        case NodeKind::kMember:
        case NodeKind::kSlice:
        case NodeKind::kCall:
        case NodeKind::kConditional:
        case NodeKind::kChain:
        case NodeKind::kExists:
          at = at->children[0];
          break;
        default:
          return false;
      }
    }
  }

  void map(const Node& node) {
    out += '{';
    for (size_t i = 0; i < node.children.size(); i += 2) {
      if (i > 0) out += ", ";
      const Node& key = node.child(i);
      const bool text = key.kind == NodeKind::kConstant && key.value.kind() == Kind::kString;
      if (text && is_name(key.value.as_string()) && !is_keyword(key.value.as_string())) {
        out += key.value.as_string();
      } else {
        bracketed_if(key, !text);
      }
      out += ": ";
      bracketed_if(node.child(i + 1), node.child(i + 1).kind == NodeKind::kSequence);
    }
    out += '}';
  }
};

bool same_constant(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.kind() == Kind::kFloat && std::isnan(a.as_float())) return std::isnan(b.as_float());
  return a == b;
}

}  // namespace

std::string print(const Node& root) {
  Printer printer;
  printer.print(root);
  return std::move(printer.out);
}

bool same_tree(const Node& a, const Node& b) {
  std::vector<std::pair<const Node*, const Node*>> pairs = {{&a, &b}};
  while (!pairs.empty()) {
    const auto [left, right] = pairs.back();
    pairs.pop_back();
    if (!left || !right) {
      if (left != right) return false;
      continue;
    }
    if (left->kind != right->kind || left->op != right->op || left->optional != right->optional ||
        left->name != right->name || left->ops != right->ops ||
        left->children.size() != right->children.size() || !same_constant(left->value, right->value))
      return false;
    for (size_t i = 0; i < left->children.size(); ++i)
      pairs.emplace_back(left->children[i], right->children[i]);
  }
  return true;
}

}  // namespace testmesh::expr
