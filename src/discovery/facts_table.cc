#include "discovery/facts_table.h"

#include <random>

namespace testmesh::discovery {
namespace {

constexpr size_t kMaxFacts = 200'000;
constexpr size_t kMaxNodes = 600'000;
constexpr size_t kMaxTextBytes = 64 << 20;

// Parts of a key cannot run into each other.
void append_part(std::string& key, std::string_view part) {
  const auto size = static_cast<uint64_t>(part.size());
  key.append(reinterpret_cast<const char*>(&size), sizeof size);
  key += part;
}

void append_number(std::string& key, uint32_t number) {
  key.append(reinterpret_cast<const char*>(&number), sizeof number);
}

uint64_t mixed(uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
  return value ^ value >> 31;
}

model::SpanKind known_kind(model::SpanKind kind) {
  const auto number = static_cast<int32_t>(kind);
  return number >= 1 && number <= 5 ? kind : model::SpanKind::kInternal;
}

}  // namespace

HashSeed::HashSeed() {
  std::random_device device;
  const auto random = [&] { return static_cast<uint64_t>(device()) << 32 | device(); };
  key_a = random(), key_b = random();
  base_a = random() % (kMersenne61 - 1'000'000) + 1'000'000;
  base_b = random() % (kMersenne61 - 1'000'000) + 1'000'000;
}

ListHash HashSeed::of(uint64_t element) const {
  return {mixed(element ^ key_a) % kMersenne61, mixed(element ^ key_b) % kMersenne61, base_a, base_b, 1};
}

NodeId NodeTable::intern(model::NodeType type, std::string_view identifier, std::string_view service) {
  const model::PathNode bare{type, std::string(identifier), {}};
  std::string text = path_string({&bare, 1});
  const auto [known_text, new_text] = text_ids_.try_emplace(text, static_cast<uint32_t>(texts_.size()));
  if (new_text) {
    text_bytes_ += 2 * text.size();
    texts_.push_back(std::move(text));
  }
  key_.clear();
  append_number(key_, known_text->second);
  key_ += service;
  const auto [known, is_new] = ids_.try_emplace(key_, static_cast<NodeId>(entries_.size()));
  if (is_new) {
    text_bytes_ += identifier.size() + 2 * service.size();
    entries_.push_back({seed_.of(known->second), known_text->second, type, false});
    nodes_.push_back({type, bare.identifier, std::string(service)});
  }
  return known->second;
}

void NodeTable::clear() {
  entries_ = {};
  nodes_ = {};
  texts_ = {};
  text_ids_ = {};
  ids_ = {};
  text_bytes_ = 0;
}

bool FactsTable::full() const {
  return facts_.size() >= kMaxFacts || nodes_.size() >= kMaxNodes ||
         text_bytes_ + nodes_.text_bytes() >= kMaxTextBytes;
}

uint32_t FactsTable::number_of(std::string_view text) {
  const auto [known, is_new] =
      numbers_.try_emplace(std::string(text), static_cast<uint32_t>(numbers_.size()));
  if (is_new) text_bytes_ += text.size();
  return known->second;
}

FactsId FactsTable::intern(const SpanDescription& description, const NameTries& tries) {
  SpanNames names = names_of(description);
  const auto kind = known_kind(description.kind);
  const std::string_view service = description.service.empty() ? "unknown_service" : description.service;
  if (names.route_from_path && tries.put_parameters(service, names.route))
    names.endpoint = endpoint_name(names.method, names.route);

  key_.clear();
  key_ += static_cast<char>(kind);
  key_ += static_cast<char>(names.route_from_path | names.sends << 1 | names.receives_or_settles << 2 |
                            names.is_test << 3 | names.is_resend << 4 | names.writes << 5);
  for (const std::string_view part :
       {service, description.environment, std::string_view(names.endpoint), std::string_view(names.database),
        std::string_view(names.database_system), std::string_view(names.topic), std::string_view(names.peer),
        std::string_view(names.operation)})
    append_part(key_, part);
  if (const auto known = ids_.find(key_); known != ids_.end()) return known->second;

  if (full()) {
    facts_ = {};
    sources_ = {};
    ids_ = {};
    numbers_ = {};
    nodes_.clear();
    text_bytes_ = 0;
    ++epoch_;
  }

  using enum model::NodeType;
  const auto node = [&](model::NodeType type, const std::string& identifier) {
    return identifier.empty() ? kNoNode : nodes_.intern(type, identifier, service);
  };
  Facts facts;
  facts.kind = kind;
  facts.receives_or_settles = names.receives_or_settles;
  facts.route_from_path = names.route_from_path;
  facts.is_test = names.is_test;
  facts.is_resend = names.is_resend;
  facts.writes = names.writes;
  facts.service = number_of(service);
  part_.clear();
  append_part(part_, service);
  part_ += static_cast<char>(kind);
  part_ += names.operation;
  facts.operation = number_of(part_);
  part_.clear();
  append_part(part_, description.environment);
  append_part(part_, service);
  facts.place = number_of(part_);
  facts.service_node = nodes_.intern(kService, service, service);
  if (!names.route_from_path) facts.endpoint = node(kApiEndpoint, names.endpoint);
  facts.database = node(kDatabase, names.database);
  if (names.sends || kind == model::SpanKind::kConsumer) facts.topic = node(kTopic, names.topic);
  facts.peer = node(kService, names.peer);

  const auto id = static_cast<FactsId>(facts_.size());
  text_bytes_ += 2 * key_.size();
  ids_.emplace(key_, id);
  facts_.push_back(facts);
  sources_.push_back({std::string(description.environment), std::string(service), names.operation,
                      names.route_from_path ? names.method : std::string(),
                      names.route_from_path ? names.route : std::string(), names.database_system});
  return id;
}

size_t FactsTable::memory_bytes() const {
  return facts_.size() * (sizeof(Facts) + sizeof(Source) + 64) + nodes_.size() * 256 + text_bytes_ +
         nodes_.text_bytes();
}

}  // namespace testmesh::discovery
