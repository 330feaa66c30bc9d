#include "runner/built_ins.h"

#include <fmt/format.h>

#include <array>
#include <random>

namespace testmesh::runner {
namespace {

using expr::Value;

constexpr std::array kNames{std::string_view("UUID"),       std::string_view("RANDOM_ID"),
                            std::string_view("RANDOM_INT"), std::string_view("TIMESTAMP"),
                            std::string_view("DATE"),       std::string_view("ISO_TIMESTAMP"),
                            std::string_view("FLOW_NAME"),  std::string_view("EXECUTION_ID")};

std::mt19937_64 seeded_engine() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
  return std::mt19937_64(seed);
}

std::string random_uuid() {
  model::ExecutionId id;
  const uint64_t halves[2] = {random_number(), random_number()};
  std::memcpy(id.bytes.data(), halves, sizeof halves);
  id.bytes[6] = static_cast<uint8_t>((id.bytes[6] & 0x0f) | 0x40);
  id.bytes[8] = static_cast<uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  return id.to_string();
}

std::string random_id() {
  constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string text;
  for (int i = 0; i < 12; ++i) text += kDigits[random_number() % kDigits.size()];
  return text;
}

}  // namespace

uint64_t random_number() {
  thread_local std::mt19937_64 engine = seeded_engine();
  return engine();
}

model::SpanId random_span_id() {
  uint64_t number = 0;
  while (number == 0) number = random_number();
  model::SpanId id;
  std::memcpy(id.bytes.data(), &number, sizeof number);
  return id;
}

std::span<const std::string_view> built_in_names() { return kNames; }

bool find_built_in(std::string_view name, const BuiltInSource& source, Value& out) {
  if (name == "UUID") {
    out = Value(random_uuid());
  } else if (name == "RANDOM_ID") {
    out = Value(random_id());
  } else if (name == "RANDOM_INT") {
    out = Value(static_cast<int64_t>(random_number() >> 33));
  } else if (name == "TIMESTAMP") {
    out = Value(static_cast<int64_t>(source.clock.now() / 1'000'000'000));
  } else if (name == "ISO_TIMESTAMP") {
    // Milliseconds, as most systems that read such a text expect.
    out = Value(base::to_rfc3339(source.clock.now()).substr(0, 23) + "Z");
  } else if (name == "DATE") {
    out = Value(base::to_rfc3339(source.clock.now()).substr(0, 10));
  } else if (name == "EXECUTION_ID") {
    out = Value(source.execution.to_string());
  } else if (name == "FLOW_NAME") {
    out = Value(source.flow_name);
  } else {
    return false;
  }
  return true;
}

}  // namespace testmesh::runner
