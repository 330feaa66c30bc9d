#include "encoding/wire.h"

#include <simdjson.h>

#include <array>

#include "base/varint.h"

namespace testmesh::encoding {
namespace {

enum class Shape : uint8_t { kUnknown, kString, kMessage };
struct FieldRule {
  Shape shape = Shape::kUnknown;
  uint8_t message = 0;
};

enum Message : uint8_t {
  kResource,
  kScope,
  kKeyValue,
  kEvent,
  kLink,
  kStatus,
  kAnyValue,
  kArray,
  kKeyValueList,
  kMessages
};
constexpr size_t kMaxField = 8;

// Which length-delimited fields are text or messages; everything else needs
// only to be well-formed.
constexpr auto kRules = [] {
  std::array<std::array<FieldRule, kMaxField + 1>, kMessages> rules{};
  const auto message = [](Message m) { return FieldRule{Shape::kMessage, m}; };
  constexpr FieldRule text{Shape::kString, 0};
  rules[kResource][1] = message(kKeyValue);
  rules[kScope][1] = text;
  rules[kScope][2] = text;
  rules[kScope][3] = message(kKeyValue);
  rules[kKeyValue][1] = text;
  rules[kKeyValue][2] = message(kAnyValue);
  rules[kEvent][2] = text;
  rules[kEvent][3] = message(kKeyValue);
  rules[kLink][3] = text;
  rules[kLink][4] = message(kKeyValue);
  rules[kStatus][2] = text;
  rules[kAnyValue][1] = text;
  rules[kAnyValue][5] = message(kArray);
  rules[kAnyValue][6] = message(kKeyValueList);
  rules[kArray][1] = message(kAnyValue);
  rules[kKeyValueList][1] = message(kKeyValue);
  return rules;
}();

bool valid(uint8_t message, std::string_view bytes, int depth) {
  if (depth > otlp::kMaxMessageDepth) return false;
  WireReader reader(bytes, depth);
  while (reader.next()) {
    const FieldRule rule = reader.type() == WireType::kBytes && reader.field() <= kMaxField
                               ? kRules[message][reader.field()]
                               : FieldRule{};
    switch (rule.shape) {
      case Shape::kUnknown:
        reader.skip();
        break;
      case Shape::kString:
        if (!valid_utf8(reader.bytes())) return false;
        break;
      case Shape::kMessage:
        if (!valid(rule.message, reader.bytes(), depth + 1)) return false;
        break;
    }
  }
  return reader.ok();
}

void append_canonical_any_value(std::string_view bytes, std::string& out);

// KeyValue bytes already found valid.
void append_key_value(std::string_view bytes, std::string& out) {
  std::string_view key;
  std::string value;
  bool has_value = false;
  WireReader reader(bytes);
  while (reader.next()) {
    if (reader.is(1, WireType::kBytes)) {
      key = reader.bytes();
    } else if (reader.is(2, WireType::kBytes)) {
      value += reader.bytes();  // a message given twice is merged: the same as its bytes joined
      has_value = true;
    } else {
      reader.skip();
    }
  }
  append_tag(out, 1, WireType::kBytes);
  base::append_sized(out, key);
  if (!has_value) return;
  std::string canonical;
  append_canonical_any_value(value, canonical);
  append_tag(out, 2, WireType::kBytes);
  base::append_sized(out, canonical);
}

void append_list(std::string_view bytes, bool of_key_values, std::string& out) {
  WireReader reader(bytes);
  while (reader.next()) {
    if (!reader.is(1, WireType::kBytes)) {
      reader.skip();
      continue;
    }
    std::string element;
    if (of_key_values)
      append_key_value(reader.bytes(), element);
    else
      append_canonical_any_value(reader.bytes(), element);
    append_tag(out, 1, WireType::kBytes);
    base::append_sized(out, element);
  }
}

void append_canonical_any_value(std::string_view bytes, std::string& out) {
  uint32_t member = 0;  // field number of the oneof member that holds
  uint64_t number = 0;
  std::string content;
  WireReader reader(bytes);
  while (reader.next()) {
    const uint32_t field = reader.field();
    const WireType type = reader.type();
    const bool text = type == WireType::kBytes && (field == 1 || field == 7);
    const bool list = type == WireType::kBytes && (field == 5 || field == 6);
    if (text) {
      content = reader.bytes();
    } else if (list) {
      if (member != field) content.clear();
      content += reader.bytes();
    } else if (type == WireType::kVarint && (field == 2 || field == 3)) {
      number = reader.varint();
    } else if (type == WireType::kFixed64 && field == 4) {
      number = reader.fixed64();
    } else {
      reader.skip();
      continue;
    }
    member = field;
  }
  switch (member) {
    case 1:
    case 7:
      append_tag(out, member, WireType::kBytes);
      base::append_sized(out, content);
      break;
    case 2:
      append_tag(out, 2, WireType::kVarint);
      out += static_cast<char>(number != 0);
      break;
    case 3:
      append_tag(out, 3, WireType::kVarint);
      base::append_varint(out, number);
      break;
    case 4:
      append_tag(out, 4, WireType::kFixed64);
      base::append_fixed(out, number);
      break;
    case 5:
    case 6: {
      std::string elements;
      append_list(content, member == 6, elements);
      append_tag(out, member, WireType::kBytes);
      base::append_sized(out, elements);
      break;
    }
    default:
      break;
  }
}

}  // namespace

bool valid_message(WireMessage message, std::string_view bytes, int depth) {
  return valid(static_cast<uint8_t>(message), bytes, depth);
}

bool append_canonical_key_value(std::string_view bytes, std::string& out) {
  // ExportRequest > ResourceSpans > ScopeSpans > Span > KeyValue
  if (!valid(kKeyValue, bytes, 4)) return false;
  append_key_value(bytes, out);
  return true;
}

bool valid_utf8(std::string_view text) {
  bool ascii = true;
  if (text.size() < 64) {
    for (const char c : text) ascii &= static_cast<signed char>(c) >= 0;
    if (ascii) return true;
  }
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace testmesh::encoding
