#include "validation/possible_value.h"

#include <algorithm>

namespace testmesh::validation {

using expr::Kind;
using expr::Value;

namespace {
constexpr uint32_t kAllKinds = (1u << (static_cast<unsigned>(Kind::kRecord) + 1)) - 1;
}  // namespace

Possible exactly(Value value) {
  Possible out;
  out.kinds = Possible::bit(value.kind());
  switch (value.kind()) {
    case Kind::kBool:
      out.can_true = value.as_bool();
      out.can_false = !value.as_bool();
      break;
    case Kind::kInt:
    case Kind::kFloat:
      out.low = out.high = value.as_number();
      break;
    case Kind::kNil:
      out.nil_is_absent = value.is_absent_record();
      break;
    case Kind::kRecord:
      out.is_span = value.as_record()->type_name() == "span";
      out.is_attributes = value.as_record()->type_name() == "attributes";
      break;
    default:
      break;
  }
  out.exact = std::move(value);
  return out;
}

Possible anything() {
  Possible out;
  out.kinds = kAllKinds;
  out.fails = out.fails_missing = true;
  return out;
}

Possible failure(bool missing) {
  Possible out;
  (missing ? out.fails_missing : out.fails) = true;
  return out;
}

Possible any_bool(bool can_true, bool can_false) {
  if (can_true != can_false) return exactly(can_true);
  Possible out = any_of(Kind::kBool);
  return out;
}

Possible any_number(double low, double high, bool whole) {
  Possible out;
  out.kinds = Possible::bit(Kind::kInt) | (whole ? 0 : Possible::bit(Kind::kFloat));
  out.low = low;
  out.high = high;
  return out;
}

Possible any_of(Kind kind) {
  Possible out;
  out.kinds = Possible::bit(kind);
  return out;
}

Possible any_span() {
  Possible out = any_of(Kind::kRecord);
  out.is_span = true;
  return out;
}

Possible list_of(PossibleList list) {
  Possible out = any_of(Kind::kList);
  out.list = std::make_shared<const PossibleList>(std::move(list));
  return out;
}

Possible either(const Possible& a, const Possible& b) {
  if (a.kinds == 0 || b.kinds == 0) return with_failures(a.kinds == 0 ? b : a, a.kinds == 0 ? a : b);
  Possible out;
  out.kinds = a.kinds | b.kinds;
  if (a.exact && b.exact && a.exact->kind() == b.exact->kind()) {
    const Kind kind = a.exact->kind();
    const bool scalar = kind == Kind::kBool || kind == Kind::kInt || kind == Kind::kString;
    if (scalar ? *a.exact == *b.exact : a.exact->is_same_object(*b.exact)) out.exact = a.exact;
  }
  const auto has_number = [](const Possible& of) { return of.may_be(Kind::kInt) || of.may_be(Kind::kFloat); };
  const bool left = has_number(a), right = has_number(b);
  out.low = left && right ? std::min(a.low, b.low) : left ? a.low : b.low;
  out.high = left && right ? std::max(a.high, b.high) : left ? a.high : b.high;
  const auto has = [](const Possible& of, Kind kind) { return of.may_be(kind); };
  out.can_true = (has(a, Kind::kBool) && a.can_true) || (has(b, Kind::kBool) && b.can_true);
  out.can_false = (has(a, Kind::kBool) && a.can_false) || (has(b, Kind::kBool) && b.can_false);
  out.nil_is_absent = (!has(a, Kind::kNil) || a.nil_is_absent) && (!has(b, Kind::kNil) || b.nil_is_absent);
  out.is_span = (!has(a, Kind::kRecord) || a.is_span) && (!has(b, Kind::kRecord) || b.is_span);
  out.is_attributes =
      (!has(a, Kind::kRecord) || a.is_attributes) && (!has(b, Kind::kRecord) || b.is_attributes);
  if (!out.exact && !has(a, Kind::kList)) {
    if (has(b, Kind::kList)) out.list = elements_of(b);
  } else if (!out.exact && !has(b, Kind::kList)) {
    out.list = elements_of(a);
  } else if (!a.exact && !b.exact && a.list == b.list) {
    out.list = a.list;
  }
  out.fails = a.fails || b.fails;
  out.fails_missing = a.fails_missing || b.fails_missing;
  return out;
}

Possible with_failures(Possible value, const Possible& of) {
  value.fails |= of.fails;
  value.fails_missing |= of.fails_missing;
  return value;
}

Possible without_failures(Possible value) {
  value.fails = value.fails_missing = false;
  return value;
}

bool holds_record(const Value& value) {
  switch (value.kind()) {
    case Kind::kRecord:
      return true;
    case Kind::kList:
      return std::any_of(value.as_list().begin(), value.as_list().end(), holds_record);
    case Kind::kMap:
      return std::any_of(value.as_map().begin(), value.as_map().end(),
                         [](const auto& entry) { return holds_record(entry.second); });
    default:
      return false;
  }
}

std::shared_ptr<const PossibleList> elements_of(const Possible& of) {
  if (!of.exact || of.exact->kind() != Kind::kList) return of.list;
  auto list = std::make_shared<PossibleList>();
  list->sure.reserve(of.exact->as_list().size());
  for (const Value& item : of.exact->as_list()) list->sure.push_back(exactly(item));
  return list;
}

double lowest_length(const Possible& of) {
  if (of.exact && of.exact->kind() == Kind::kList) return static_cast<double>(of.exact->as_list().size());
  return of.list ? static_cast<double>(of.list->sure.size()) : 0;
}

double highest_length(const Possible& of) {
  if (of.exact && of.exact->kind() == Kind::kList) return static_cast<double>(of.exact->as_list().size());
  if (!of.list || of.list->open) return Possible::kInfinity;
  return static_cast<double>(of.list->sure.size() + of.list->maybe);
}

}  // namespace testmesh::validation
