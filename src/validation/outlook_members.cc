// What of the trace and its spans stays, and how the rest may change.
#include <algorithm>
#include <array>

#include "expr/builtins.h"
#include "validation/outlook.h"

namespace testmesh::validation {
namespace {

constexpr double kInfinity = Possible::kInfinity;

// Members of spans that depend on the other spans.
constexpr std::array<std::string_view, 7> kChanging = {"self_ms",     "start_ms", "parent", "children",
                                                       "child_count", "depth",    "events"};

bool is_record(const Possible& value, std::string_view type) {
  return value.exact && value.exact->kind() == expr::Kind::kRecord &&
         value.exact->as_record()->type_name() == type;
}

// The runner's own spans are left out once it is known that they are its own.
bool stays(const expr::Value& span) {
  expr::Value flag;
  return span.kind() == expr::Kind::kRecord && span.as_record()->member("is_test_generated", flag) &&
         flag.kind() == expr::Kind::kBool && !flag.as_bool();
}

Possible absent_or_span() { return either(exactly(expr::Value::absent_record()), any_span()); }

Possible open_list(Possible others) {
  PossibleList list;
  list.open = true;
  list.others = std::move(others);
  return list_of(std::move(list));
}

// Whether a span that it matches will match it always.
bool is_lasting(const expr::Value& selector) {
  if (selector.kind() == expr::Kind::kString) return true;
  if (selector.kind() != expr::Kind::kMap) return false;
  return std::ranges::all_of(selector.as_map(), [](const auto& entry) {
    return entry.first.kind() == expr::Kind::kString &&
           std::ranges::find(kChanging, entry.first.as_string()) == kChanging.end();
  });
}

Possible some_value() {
  Possible out = without_failures(anything());
  out.kinds &= ~(1u << static_cast<unsigned>(expr::Kind::kRecord));
  return out;
}

}  // namespace

Possible Outlook::growing(const Value& spans) {
  if (!grows()) return exactly(spans);
  PossibleList list;
  list.open = true;
  list.others = any_span();
  if (spans.kind() == Kind::kList) {
    if (!budget_.work(spans.as_list().size() * 2)) return anything();
    for (const Value& span : spans.as_list())
      if (stays(span)) list.sure.push_back(exactly(span));
  }
  return list_of(std::move(list));
}

Possible Outlook::trace_member(const Value& trace, std::string_view name) {
  Value now;
  if (!trace.as_record()->member(name, now)) return failure(true);
  if (!grows() || name == "id") return exactly(now);
  if (name == "spans") return growing(now);
  if (name == "complete") return any_bool(true, true);
  if (name == "duration_ms") return any_number(0, kInfinity, false);
  if (name == "path" || name == "fingerprint") return any_of(Kind::kString);
  Value spans;
  trace.as_record()->member("spans", spans);
  const Possible all = growing(spans);
  const auto list = elements_of(all);
  if (!list) return anything();
  int64_t errors = 0;
  PossibleList services;
  for (const Possible& span : list->sure) {
    Value member;
    if (span.exact->as_record()->member("status", member) && member == Value::of_static("error")) ++errors;
    if (name == "services" && span.exact->as_record()->member("service", member) &&
        std::ranges::none_of(services.sure, [&](const Possible& known) { return *known.exact == member; }))
      services.sure.push_back(exactly(member));
  }
  if (name == "span_count") return any_number(lowest_length(all), kInfinity, true);
  if (name == "error_count") return any_number(static_cast<double>(errors), kInfinity, true);
  if (name == "has_error") return any_bool(true, errors == 0);
  if (name == "services") {
    services.open = true;
    services.others = any_of(Kind::kString);
    return list_of(std::move(services));
  }
  return without_failures(anything());
}

Possible Outlook::span_member(const Value& span, std::string_view name) {
  Value now;
  if (!span.as_record()->member(name, now)) return failure(true);
  if (!grows() || std::ranges::find(kChanging, name) == kChanging.end()) return exactly(now);
  if (name == "self_ms") return any_number(0, now.is_number() ? now.as_number() : kInfinity, false);
  if (name == "start_ms") return any_number(-kInfinity, kInfinity, false);
  if (name == "parent") return stays(now) ? exactly(now) : absent_or_span();
  if (name == "children") return growing(now);
  if (name == "child_count") {
    Value children;
    if (!span.as_record()->member("children", children)) return any_number(0, kInfinity, true);
    return any_number(lowest_length(growing(children)), kInfinity, true);
  }
  if (name == "depth") return any_number(0, kInfinity, true);
  // Events say when they were, counted from the first of all spans.
  PossibleList events;
  if (now.kind() == Kind::kList) events.sure.assign(now.as_list().size(), any_of(Kind::kMap));
  return list_of(std::move(events));
}

Possible Outlook::any_span_member(std::string_view name) {
  for (const std::string_view text :
       {"service", "operation", "name", "kind", "status", "status_message", "trace_id", "span_id"})
    if (name == text) return any_of(Kind::kString);
  if (name == "duration_ms" || name == "self_ms") return any_number(0, kInfinity, false);
  if (name == "start_ms") return any_number(-kInfinity, kInfinity, false);
  if (name == "child_count" || name == "depth") return any_number(0, kInfinity, true);
  if (name == "is_test_generated") return any_bool(true, true);
  if (name == "parent") return absent_or_span();
  if (name == "children") return open_list(any_span());
  if (name == "attributes" || name == "resource") {
    Possible out = any_of(Kind::kRecord);
    out.is_attributes = true;
    return out;
  }
  if (name == "events" || name == "links") return open_list(any_of(Kind::kMap));
  if (name == "status_code") return some_value();
  return anything();
}

Possible Outlook::element_at(const Possible& list, const Possible& index) {
  const auto elements = elements_of(list);
  if (!elements) return anything();
  const auto length = static_cast<double>(elements->sure.size());
  if (elements->in_order() && index.exact && index.exact->kind() == Kind::kInt) {
    const int64_t at = index.exact->as_int() < 0 ? index.exact->as_int() + static_cast<int64_t>(length)
                                                 : index.exact->as_int();
    if (at < 0 || static_cast<double>(at) >= length) return failure(true);
    return elements->sure[static_cast<size_t>(at)];
  }
  Possible element = elements->others;
  bool any = elements->open || elements->maybe > 0;
  for (const Possible& sure : elements->sure) {
    if (!budget_.work(1)) return anything();
    element = any ? either(element, sure) : sure;
    any = true;
  }
  if (!any) return failure(true);
  // -1 and 0 are there where one element is.
  element.fails_missing |= !(index.exact && index.low >= -length && index.high < length);
  element.fails |= !index.is_only(1u << static_cast<unsigned>(Kind::kInt));
  return element;
}

Possible Outlook::member(const Node& node) {
  const Possible object = eval(node.child(0));
  if (object.kinds == 0) return object;
  if (node.optional && object.may_be(Kind::kNil) && !(object.nil_is_absent && object.may_be(Kind::kNil)))
    return anything();
  if (node.optional && object.exact && expr::is_nothing(*object.exact) && !object.exact->is_absent_record())
    return anything();
  const Possible property = eval(node.child(1));
  if (property.kinds == 0) return property;
  Possible out = member_of(node, object, property);
  return with_failures(with_failures(std::move(out), object), property);
}

Possible Outlook::member_of(const Node& node, const Possible& object, const Possible& property) {
  const bool named = property.exact && property.exact->kind() == Kind::kString;
  const std::string_view name = named ? property.exact->as_string() : std::string_view{};
  if (is_record(object, "trace")) return named ? trace_member(*object.exact, name) : anything();
  if (is_record(object, "span")) return named ? span_member(*object.exact, name) : anything();
  if (object.exact && property.exact && !holds_record(*property.exact)) {
    // What a list or map holds is as lasting as it is; attributes never change.
    Value value;
    expr::Budget budget{expr::Limits{}};
    if (expr::fetch(budget, *object.exact, *property.exact, value)) return exactly(std::move(value));
    return failure(budget.is_missing());
  }
  Possible out;
  bool any = false;
  const auto add = [&](Possible one) {
    out = any ? either(out, one) : std::move(one);
    any = true;
  };
  if (object.may_be(Kind::kNil)) add(object.nil_is_absent ? exactly(Value::absent_record()) : failure(true));
  if (object.may_be(Kind::kRecord)) {
    if (object.is_span) {
      add(named ? any_span_member(name) : anything());
    } else if (object.is_attributes) {
      Possible value = some_value();
      value.fails = !property.is_only(1u << static_cast<unsigned>(Kind::kString));
      add(std::move(value));
    } else {
      add(anything());
    }
  }
  if (object.may_be(Kind::kList)) add(element_at(object, property));
  constexpr uint32_t kHandled = (1u << static_cast<unsigned>(expr::Kind::kNil)) |
                                (1u << static_cast<unsigned>(expr::Kind::kRecord)) |
                                (1u << static_cast<unsigned>(expr::Kind::kList));
  if (!object.is_only(kHandled)) add(anything());
  (void)node;
  return out;
}

Possible Outlook::call(const Node& node) {
  const Node& callee = node.child(0);
  if (callee.kind != expr::NodeKind::kMember) return anything();
  const std::string_view name = expr::member_name(callee);
  const Possible object = eval(callee.child(0));
  if (object.kinds == 0) return object;
  if (callee.optional && object.may_be(Kind::kNil)) return anything();
  std::vector<Possible> arguments;
  Possible failures = object;
  for (size_t i = 1; i < node.children.size(); ++i) {
    arguments.push_back(eval(node.child(i)));
    failures = with_failures(failures, arguments.back());
    if (arguments.back().kinds == 0) return with_failures(failure(false), failures);
  }
  if (is_record(object, "trace"))
    return with_failures(trace_method(*object.exact, name, arguments), failures);
  if (object.exact && object.exact->kind() != Kind::kRecord) {
    std::vector<const Possible*> children = {&object};
    for (const Possible& argument : arguments) children.push_back(&argument);
    return strict(node, children, anything());
  }
  return anything();
}

Possible Outlook::trace_method(const Value& trace, std::string_view name,
                               const std::vector<Possible>& arguments) {
  expr::List values;
  bool lasting = true;
  for (const Possible& argument : arguments) {
    if (!argument.exact || holds_record(*argument.exact)) {
      lasting = false;
      break;
    }
    lasting = lasting && is_lasting(*argument.exact);
    values.push_back(*argument.exact);
  }
  if (values.size() == arguments.size()) {
    base::Result<Value> now{Value()};
    if (!budget_.work(50)) return anything();
    if (!trace.as_record()->call(name, values, now)) return failure(true);
    if (!now) return now.error().code == base::ErrorCode::kInvalidArgument ? failure(false) : anything();
    if (now->kind() == Kind::kRecord) witness(exactly(*now));
    if (now->kind() == Kind::kList)
      for (const Value& span : now->as_list()) witness(exactly(span));
    if (!grows()) return exactly(*now);
    if (name == "span") return lasting && stays(*now) ? any_span() : absent_or_span();
    if (name == "spans_of") return lasting ? growing(*now) : open_list(any_span());
    if (name == "calls" || name == "reaches") {
      Value spans;
      trace.as_record()->member("spans", spans);
      const bool all_stay = spans.kind() == Kind::kList && std::ranges::all_of(spans.as_list(), stays);
      return any_bool(true, !(lasting && all_stay && *now == Value(true)));
    }
    if (name == "before") return any_bool(true, true);
    return anything();
  }
  Possible out = name == "span"                                             ? absent_or_span()
                 : name == "spans_of"                                       ? open_list(any_span())
                 : name == "calls" || name == "reaches" || name == "before" ? any_bool(true, true)
                                                                            : anything();
  out.fails = true;
  return out;
}

}  // namespace testmesh::validation
