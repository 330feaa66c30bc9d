#include "store/embedded/trace_kinds.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/varint.h"

namespace testmesh::store {
namespace {

std::string encode(const TraceKind& kind) {
  std::string out;
  base::append_sized(out, kind.root_service);
  base::append_sized(out, kind.root_operation);
  base::append_varint(out, kind.services.size());
  for (const ServiceOperations& service : kind.services) {
    base::append_sized(out, service.service);
    base::append_varint(out, service.operations.size());
    for (const std::string& operation : service.operations) base::append_sized(out, operation);
  }
  out += static_cast<char>(!kind.flow ? 0 : kind.flow_born == 0 ? 1 : 2);
  if (kind.flow) base::append_fixed(out, kind.flow->bytes);
  if (kind.flow && kind.flow_born > 0) base::append_varint(out, kind.flow_born);
  return out;
}

std::optional<TraceKind> decode(base::ByteReader& reader) {
  TraceKind kind;
  kind.root_service = reader.sized();
  kind.root_operation = reader.sized();
  const uint64_t services = reader.varint();
  for (uint64_t i = 0; i < services && !reader.failed(); ++i) {
    ServiceOperations service;
    service.service = reader.sized();
    const uint64_t operations = reader.varint();
    for (uint64_t j = 0; j < operations && !reader.failed(); ++j)
      service.operations.emplace_back(reader.sized());
    kind.services.push_back(std::move(service));
  }
  const auto form = reader.fixed<uint8_t>();
  if (form > 0) kind.flow = model::FlowId{reader.fixed<std::array<uint8_t, 16>>()};
  if (form > 1) kind.flow_born = reader.varint();
  if (reader.failed()) return std::nullopt;
  return kind;
}

}  // namespace

struct TraceKinds::Tables {
  boost::unordered_flat_map<std::string, uint32_t> ids;
  std::string unsaved;
  bool unsynced = false;  // some of the log perhaps not on disk
  AppendLog log;
};

TraceKinds::TraceKinds() : tables_(std::make_unique<Tables>()) { kinds_.push_back({}); }
TraceKinds::~TraceKinds() = default;

base::Result<std::unique_ptr<TraceKinds>> TraceKinds::open(const std::string& path) {
  std::unique_ptr<TraceKinds> kinds(new TraceKinds);
  TRY_ASSIGN(kinds->tables_->log, AppendLog::open(path, [&](std::string_view block) -> base::Result<void> {
               base::ByteReader reader(block);
               while (!reader.done()) {
                 auto kind = decode(reader);
                 if (!kind) return base::fail(base::ErrorCode::kCorrupt, path + " does not read back");
                 std::string key = encode(*kind);
                 kinds->tables_->ids.emplace(std::move(key), kinds->kinds_.push_back(std::move(*kind)));
               }
               return {};
             }));
  return kinds;
}

uint32_t TraceKinds::intern(const TraceKind& kind) {
  std::string key = encode(kind);
  if (const auto found = tables_->ids.find(key); found != tables_->ids.end()) return found->second;
  if (kinds_.size() >= kMaxKinds) return kUnknown;
  tables_->unsaved += key;
  const uint32_t id = kinds_.push_back(kind);
  tables_->ids.emplace(std::move(key), id);
  return id;
}

base::Result<void> TraceKinds::save() {
  if (!tables_->unsaved.empty()) {
    TRY(tables_->log.append(tables_->unsaved));
    tables_->unsaved.clear();
    tables_->unsynced = true;
  }
  if (!tables_->unsynced) return {};
  TRY(tables_->log.sync());
  tables_->unsynced = false;
  return {};
}

}  // namespace testmesh::store
