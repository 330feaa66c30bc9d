#include "actions/grpc_schema.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>

#include <set>

#include "actions/config_reader.h"

namespace testmesh::actions {

namespace pb = google::protobuf;

namespace {

constexpr size_t kMaxDescriptorBytes = 16 << 20;
constexpr size_t kMaxFiles = 2000;

// The last thing that did not fit together while descriptors were built.
class BuildErrors final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*, ErrorLocation,
                const std::string& message) override {
    text = fmt::format("{} ({} in {})", message, element, file);
  }
  std::string text;
};

expr::Value message_value(const pb::Message& message);

expr::Value text_value(const pb::FieldDescriptor* field, const std::string& text) {
  return field->type() == pb::FieldDescriptor::TYPE_BYTES ? expr::Value(to_base64(text)) : expr::Value(text);
}

// `index` -1: of a field that is not repeated.
expr::Value field_value(const pb::Message& message, const pb::FieldDescriptor* field, int index) {
  const pb::Reflection* reflection = message.GetReflection();
  const bool many = index >= 0;
  std::string scratch;
  switch (field->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return int64_t{many ? reflection->GetRepeatedInt32(message, field, index)
                          : reflection->GetInt32(message, field)};
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return int64_t{many ? reflection->GetRepeatedInt64(message, field, index)
                          : reflection->GetInt64(message, field)};
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return int64_t{many ? reflection->GetRepeatedUInt32(message, field, index)
                          : reflection->GetUInt32(message, field)};
    case pb::FieldDescriptor::CPPTYPE_UINT64: {
      const uint64_t value =
          many ? reflection->GetRepeatedUInt64(message, field, index) : reflection->GetUInt64(message, field);
      if (value > static_cast<uint64_t>(INT64_MAX)) return std::to_string(value);
      return static_cast<int64_t>(value);
    }
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return double{many ? reflection->GetRepeatedFloat(message, field, index)
                         : reflection->GetFloat(message, field)};
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return many ? reflection->GetRepeatedDouble(message, field, index)
                  : reflection->GetDouble(message, field);
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return many ? reflection->GetRepeatedBool(message, field, index) : reflection->GetBool(message, field);
    case pb::FieldDescriptor::CPPTYPE_ENUM: {
      const int number = many ? reflection->GetRepeatedEnumValue(message, field, index)
                              : reflection->GetEnumValue(message, field);
      const pb::EnumValueDescriptor* named = field->enum_type()->FindValueByNumber(number);
      return named == nullptr ? expr::Value(int64_t{number}) : expr::Value(named->name());
    }
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return text_value(field, many ? reflection->GetRepeatedStringReference(message, field, index, &scratch)
                                    : reflection->GetStringReference(message, field, &scratch));
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      return message_value(many ? reflection->GetRepeatedMessage(message, field, index)
                                : reflection->GetMessage(message, field));
  }
  return nullptr;
}

// As protobuf's JSON has it, but 64-bit integers are numbers, and fields without
// presence are there when they have their default, so that they can be compared.
expr::Value message_value(const pb::Message& message) {
  const pb::Descriptor* type = message.GetDescriptor();
  if (type->file()->package() == "google.protobuf" &&
      type->well_known_type() != pb::Descriptor::WELLKNOWNTYPE_UNSPECIFIED) {
    std::string json;
    if (pb::util::MessageToJsonString(message, &json).ok())
      if (auto value = expr::parse_json(json)) return std::move(*value);
  }
  expr::Map map;
  const pb::Reflection* reflection = message.GetReflection();
  for (int i = 0; i < type->field_count(); ++i) {
    const pb::FieldDescriptor* field = type->field(i);
    if (field->is_map()) {
      expr::Map entries;
      for (int k = 0; k < reflection->FieldSize(message, field); ++k) {
        const pb::Message& entry = reflection->GetRepeatedMessage(message, field, k);
        const pb::Descriptor* pair = entry.GetDescriptor();
        entries.set(expr::to_text(field_value(entry, pair->map_key(), -1)),
                    field_value(entry, pair->map_value(), -1));
      }
      map.set(field->json_name(), std::move(entries));
    } else if (field->is_repeated()) {
      expr::List list;
      for (int k = 0; k < reflection->FieldSize(message, field); ++k)
        list.push_back(field_value(message, field, k));
      map.set(field->json_name(), std::move(list));
    } else if (!field->has_presence() || reflection->HasField(message, field)) {
      map.set(field->json_name(), field_value(message, field, -1));
    }
  }
  return map;
}

}  // namespace

struct GrpcSchema::Impl {
  BuildErrors errors;
  pb::SimpleDescriptorDatabase database;
  pb::DescriptorPool pool{&database, &errors};
  pb::DynamicMessageFactory factory{&pool};
  std::set<std::string> files, needed, services;
  size_t bytes = 0;

  std::unique_ptr<pb::Message> make(const std::string& type) {
    const pb::Descriptor* found = pool.FindMessageTypeByName(type);
    return found == nullptr ? nullptr : std::unique_ptr<pb::Message>(factory.GetPrototype(found)->New());
  }
};

GrpcSchema::GrpcSchema() : impl_(std::make_unique<Impl>()) {}
GrpcSchema::~GrpcSchema() = default;

bool GrpcSchema::add(const std::string& serialized) {
  pb::FileDescriptorProto file;
  if (impl_->files.size() >= kMaxFiles || impl_->bytes + serialized.size() > kMaxDescriptorBytes)
    return false;
  if (!file.ParseFromString(serialized) || !impl_->files.insert(file.name()).second) return false;
  impl_->bytes += serialized.size();
  for (const std::string& needed : file.dependency()) impl_->needed.insert(needed);
  for (const pb::ServiceDescriptorProto& service : file.service())
    impl_->services.insert(file.package().empty() ? service.name() : file.package() + "." + service.name());
  return impl_->database.Add(file);
}

std::optional<std::string> GrpcSchema::missing() {
  for (const std::string& name : impl_->needed) {
    if (impl_->files.contains(name)) continue;
    // The well-known types are the same everywhere.
    const pb::FileDescriptor* known = name.starts_with("google/protobuf/")
                                          ? pb::DescriptorPool::generated_pool()->FindFileByName(name)
                                          : nullptr;
    if (known == nullptr) return name;
    pb::FileDescriptorProto copy;
    known->CopyTo(&copy);
    add(copy.SerializeAsString());
    return missing();
  }
  return std::nullopt;
}

bool GrpcSchema::has_service(const std::string& full_name) const {
  return impl_->services.contains(full_name);
}

std::expected<GrpcMethod, ActionError> GrpcSchema::method(const std::string& service,
                                                          const std::string& name) {
  // The pool remembers what it did not find, so it is asked only for what has come.
  const pb::ServiceDescriptor* found =
      has_service(service) ? impl_->pool.FindServiceByName(service) : nullptr;
  if (found == nullptr)
    return std::unexpected(ActionError{
        "rpc", fmt::format("what the server's reflection tells does not describe the service {}: {}", service,
                           impl_->errors.text)});
  if (const pb::MethodDescriptor* method = found->FindMethodByName(name))
    return GrpcMethod{.input = method->input_type()->full_name(),
                      .output = method->output_type()->full_name(),
                      .client_streaming = method->client_streaming(),
                      .server_streaming = method->server_streaming()};
  std::vector<std::string> names;
  for (int i = 0; i < found->method_count(); ++i) names.push_back(found->method(i)->name());
  return std::unexpected(ActionError{
      "rpc", fmt::format("the service {} has no method {}; it has {}", service, name, listed(names))});
}

std::expected<std::string, ActionError> GrpcSchema::encode(const std::string& type,
                                                           const expr::Value& value) {
  const auto wrong = [](std::string message) {
    return std::unexpected(ActionError{"invalid_config", std::move(message)});
  };
  const auto message = impl_->make(type);
  if (message == nullptr)
    return std::unexpected(
        ActionError{"rpc", fmt::format("the server's reflection does not describe {}", type)});
  const pb::Descriptor* descriptor = message->GetDescriptor();
  if (value.kind() != expr::Kind::kMap && !value.is_nil() &&
      descriptor->well_known_type() == pb::Descriptor::WELLKNOWNTYPE_UNSPECIFIED)
    return wrong(fmt::format("`message` must be a map, as {} has fields, but it is a {}", type,
                             expr::kind_name(value.kind())));
  if (!value.is_nil()) {
    const auto status = pb::util::JsonStringToMessage(expr::to_json(value), message.get());
    if (!status.ok()) {
      std::vector<std::string> names;
      for (int i = 0; i < descriptor->field_count(); ++i) names.push_back(descriptor->field(i)->name());
      return wrong(fmt::format("`message` is no {}: {}; its fields are {}", type,
                               std::string(status.message()), listed(names)));
    }
  }
  if (!message->IsInitialized())
    return wrong(
        fmt::format("`message` lacks required fields of {}: {}", type, message->InitializationErrorString()));
  return message->SerializeAsString();
}

std::optional<expr::Value> GrpcSchema::decode(const std::string& type, const std::string& bytes) {
  const auto message = impl_->make(type);
  if (message == nullptr || !message->ParseFromString(bytes)) return std::nullopt;
  return message_value(*message);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  size_t shown = 0;
  for (const std::string& name : names) {
    if (++shown > 20) return text + ", …";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "none" : text;
}

}  // namespace testmesh::actions
