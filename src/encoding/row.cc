#include "encoding/row.h"

#include <cstring>

#include "encoding/text_template.h"
#include "encoding/wire.h"

namespace testmesh::encoding {
namespace {

bool is_coded_text(ValueType type) {
  return type == ValueType::kString || type == ValueType::kArray || type == ValueType::kKeyValueList ||
         type == ValueType::kBytes;
}

// Passes over one encoded value. What it refers to is there when it says so.
bool skip_value(const Dictionary& dictionary, const ShapeAttribute& attribute, base::ByteReader& reader) {
  const ValueType type = attribute.type;
  if (is_coded_text(type)) {
    const uint64_t code = reader.varint();
    if (code == 0) {
      reader.sized();
    } else if (code >= 2) {
      return !reader.failed() && code - 2 < dictionary.value_count(attribute.key);
    } else {
      const uint64_t id = reader.varint();
      if (id >= dictionary.template_count()) return false;
      const size_t size = payload_size(dictionary.text_template(static_cast<uint32_t>(id)), reader.rest());
      if (size == std::string_view::npos) return false;
      reader.bytes(size);
    }
  } else if (type == ValueType::kInt) {
    reader.varint();
  } else if (type == ValueType::kBool) {
    reader.bytes(1);
  } else if (type == ValueType::kDouble) {
    reader.bytes(8);
  }
  return !reader.failed();
}

void append_fixed64_field(std::string& out, uint32_t field, uint64_t value) {
  append_tag(out, field, WireType::kFixed64);
  base::append_fixed(out, value);
}

void append_bytes_field(std::string& out, uint32_t field, std::string_view bytes) {
  append_tag(out, field, WireType::kBytes);
  base::append_sized(out, bytes);
}

// AnyValue bytes (tag included) from a value's content.
void append_any_value(ValueType type, std::string_view content, std::string& out) {
  out += static_cast<char>(type);
  if (is_coded_text(type)) base::append_varint(out, content.size());
  out += content;
}

void append_attribute(const Dictionary& dictionary, const ShapeAttribute& attribute, std::string_view content,
                      std::string& scratch, std::string& out) {
  scratch.clear();
  append_any_value(attribute.type, content, scratch);
  const std::string_view key = dictionary.key(attribute.key).name;
  std::string head;
  append_bytes_field(head, 1, key);
  append_tag(head, 2, WireType::kBytes);
  base::append_varint(head, scratch.size());
  append_tag(out, 9, WireType::kBytes);
  base::append_varint(out, head.size() + scratch.size());
  out += head;
  out += scratch;
}

}  // namespace

bool parse_row(const Dictionary& dictionary, std::string_view bytes, Row& row) {
  base::ByteReader reader(bytes);
  const uint64_t shape = reader.varint();
  if (reader.failed() || shape >= dictionary.shape_count()) return false;
  row.shape = static_cast<uint32_t>(shape);
  row.resource = static_cast<uint32_t>(reader.varint()) - 1;
  row.id.bytes = reader.fixed<std::array<uint8_t, 8>>();
  if (shape == kGenericShape || dictionary.shape(row.shape).has_parent)
    row.parent.bytes = reader.fixed<std::array<uint8_t, 8>>();
  else
    row.parent = {};
  row.start = reader.fixed<uint64_t>();
  row.end = row.start + reader.varint();
  row.tail = reader.rest();
  return !reader.failed() &&
         (row.resource == kNone ? shape == kGenericShape : row.resource < dictionary.resource_count());
}

ValueCursor::ValueCursor(const Dictionary& dictionary, const ShapeEntry& shape, std::string_view tail)
    : dictionary_(dictionary), shape_(shape), reader_(tail) {
  mask_ = reader_.bytes((shape.attributes.size() + 7) / 8);
}

bool ValueCursor::next(RowValue& value) {
  if (failed()) return false;
  const auto count = static_cast<uint32_t>(shape_.attributes.size());
  while (at_ < count && !(mask_[at_ / 8] >> (at_ % 8) & 1)) ++at_;
  if (at_ == count) return false;
  const char* start = reader_.position();
  if (!skip_value(dictionary_, shape_.attributes[at_], reader_)) {
    failed_ = true;
    return false;
  }
  value = {at_++, {start, static_cast<size_t>(reader_.position() - start)}};
  return true;
}

std::string_view ValueCursor::extras() { return shape_.has_extras ? reader_.sized() : std::string_view{}; }

size_t tail_size(const Dictionary& dictionary, uint32_t shape, std::string_view bytes) {
  if (shape == kGenericShape) return bytes.size();
  ValueCursor cursor(dictionary, dictionary.shape(shape), bytes);
  RowValue value;
  while (cursor.next(value)) {
  }
  cursor.extras();
  return cursor.failed() ? std::string_view::npos : bytes.size() - cursor.rest().size();
}

bool has_error(const Dictionary& dictionary, const Row& row) {
  if (row.shape == kGenericShape) return !row.tail.empty() && (row.tail.front() & kGenericError);
  return dictionary.shape(row.shape).status == static_cast<int32_t>(model::StatusCode::kError);
}

bool append_value_content(const Dictionary& dictionary, const ShapeAttribute& attribute,
                          std::string_view encoded, std::string& out) {
  base::ByteReader reader(encoded);
  if (is_coded_text(attribute.type)) {
    const uint64_t code = reader.varint();
    if (code == 0) {
      out += reader.sized();
    } else if (code == 1) {
      const auto id = static_cast<uint32_t>(reader.varint());
      std::string_view payload = reader.rest();
      return join_text(dictionary.text_template(id), payload, out);
    } else {
      out += dictionary.value(attribute.key, static_cast<uint32_t>(code - 2));
    }
  } else if (attribute.type == ValueType::kInt) {
    base::append_varint(out, static_cast<uint64_t>(base::unzigzag(reader.varint())));
  } else {
    out += encoded;
  }
  return !reader.failed();
}

std::string_view value_text(const Dictionary& dictionary, const ShapeAttribute& attribute,
                            std::string_view encoded, std::string& scratch) {
  scratch.clear();
  base::ByteReader reader(encoded);
  if (attribute.type == ValueType::kInt) {
    scratch = std::to_string(base::unzigzag(reader.varint()));
    return scratch;
  }
  if (attribute.type != ValueType::kString) return {};
  const uint64_t code = reader.varint();
  if (code == 0) return reader.sized();
  if (code >= 2) return dictionary.value(attribute.key, static_cast<uint32_t>(code - 2));
  const auto id = static_cast<uint32_t>(reader.varint());
  std::string_view payload = reader.rest();
  join_text(dictionary.text_template(id), payload, scratch);
  return scratch;
}

std::string_view default_text(const ShapeAttribute& attribute, std::string& scratch) {
  if (attribute.type == ValueType::kString) return attribute.default_content;
  if (attribute.type != ValueType::kInt) return {};
  base::ByteReader reader(attribute.default_content);
  scratch = std::to_string(static_cast<int64_t>(reader.varint()));
  return scratch;
}

bool parse_generic(const Dictionary& dictionary, std::string_view tail, GenericTail& generic) {
  base::ByteReader reader(tail);
  generic.flags = reader.fixed<uint8_t>();
  if (generic.flags & kGenericInlineResource) {
    generic.resource = reader.sized();
    generic.resource_schema = reader.sized();
  }
  if (generic.flags & kGenericInlineScope) {
    generic.scope = kNone;
    generic.scope_message = reader.sized();
    generic.scope_schema = reader.sized();
  } else {
    const uint64_t scope = reader.varint();
    if (reader.failed() || scope >= dictionary.scope_count()) return false;
    generic.scope = static_cast<uint32_t>(scope);
    generic.scope_message = dictionary.scope(generic.scope).message;
    generic.scope_schema = dictionary.scope(generic.scope).schema_url;
  }
  generic.fields = reader.rest();
  return !reader.failed();
}

bool append_span_message(const Dictionary& dictionary, const model::TraceId& trace, const Row& row,
                         std::string& out) {
  const auto as_view = [](const auto& id) {
    return std::string_view(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  };
  append_bytes_field(out, 1, as_view(trace));
  append_bytes_field(out, 2, as_view(row.id));
  if (!row.parent.is_zero()) append_bytes_field(out, 4, as_view(row.parent));
  append_fixed64_field(out, 7, row.start);
  append_fixed64_field(out, 8, row.end);
  if (row.shape == kGenericShape) {
    GenericTail generic;
    if (!parse_generic(dictionary, row.tail, generic)) return false;
    out += generic.fields;
    return true;
  }
  const ShapeEntry& shape = dictionary.shape(row.shape);
  if (!shape.name_as_value && !shape.name.empty()) append_bytes_field(out, 5, shape.name);
  if (shape.kind != 0) {
    append_tag(out, 6, WireType::kVarint);
    base::append_varint(out, static_cast<uint64_t>(int64_t{shape.kind}));
  }
  std::string content, scratch, message;
  ValueCursor cursor(dictionary, shape, row.tail);
  RowValue changed;
  bool has_changed = cursor.next(changed);
  for (uint32_t i = 0; i < shape.attributes.size(); ++i) {
    const ShapeAttribute& attribute = shape.attributes[i];
    const bool is_changed = has_changed && changed.attribute == i;
    content.clear();
    if (is_changed) {
      if (!append_value_content(dictionary, attribute, changed.encoded, content)) return false;
      has_changed = cursor.next(changed);
    }
    if (i < shape.first_attribute()) {
      const std::string_view text = is_changed ? std::string_view(content) : attribute.default_content;
      if (shape.name_as_value && i == 0)
        append_bytes_field(out, 5, text);
      else
        message = text;
    } else if (is_changed) {
      append_attribute(dictionary, attribute, content, scratch, out);
    } else {
      append_bytes_field(out, 9, attribute.default_wire);
    }
  }
  out += cursor.extras();
  if (cursor.failed()) return false;
  if (shape.status != 0 || shape.message_as_value) {
    std::string status;
    if (shape.message_as_value) append_bytes_field(status, 2, message);
    if (shape.status != 0) {
      append_tag(status, 3, WireType::kVarint);
      base::append_varint(status, static_cast<uint64_t>(int64_t{shape.status}));
    }
    append_bytes_field(out, 15, status);
  }
  if (shape.flags != 0) {
    base::append_varint(out, 16 << 3 | static_cast<uint32_t>(WireType::kFixed32));
    base::append_fixed(out, shape.flags);
  }
  return true;
}

bool append_traces_data(const Dictionary& dictionary, const model::TraceId& trace, const Row& row,
                        std::string& out) {
  std::string_view resource, resource_schema, scope, scope_schema;
  if (row.shape == kGenericShape) {
    GenericTail generic;
    if (!parse_generic(dictionary, row.tail, generic)) return false;
    resource = generic.resource;
    resource_schema = generic.resource_schema;
    scope = generic.scope_message;
    scope_schema = generic.scope_schema;
  } else {
    const ScopeEntry& entry = dictionary.scope(dictionary.shape(row.shape).scope);
    scope = entry.message;
    scope_schema = entry.schema_url;
  }
  if (row.resource != kNone) {
    resource = dictionary.resource(row.resource).message;
    resource_schema = dictionary.resource(row.resource).schema_url;
  }
  std::string span;
  if (!append_span_message(dictionary, trace, row, span)) return false;
  std::string scope_spans, resource_spans;
  append_bytes_field(scope_spans, 1, scope);
  append_bytes_field(scope_spans, 2, span);
  if (!scope_schema.empty()) append_bytes_field(scope_spans, 3, scope_schema);
  append_bytes_field(resource_spans, 1, resource);
  append_bytes_field(resource_spans, 2, scope_spans);
  if (!resource_schema.empty()) append_bytes_field(resource_spans, 3, resource_schema);
  append_bytes_field(out, 1, resource_spans);
  return true;
}

}  // namespace testmesh::encoding
