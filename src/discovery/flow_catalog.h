// The flows a workspace has met, by identity: (family, fingerprint).
//
// Identity needs no coordination: the same family and path give the same id
// on every machine. Statistics live elsewhere (FlowBook); here is only what a
// flow *is*, and which flows have become one since (aliases).
//
// Bounded: where every trace takes a path of its own, rare flows give way to
// new ones. That takes three steps, for identities are known by address in many
// places: the catalog marks a batch of flows (`given_way`) and starts an epoch;
// every reader (an analyzer, a book) forgets them when it next catches up; once
// all have, they are freed. Who gives an identity away to be used after that
// gives a share of it (`share`).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/flow.h"
#include "model/ids.h"

namespace testmesh::discovery {

// Receives documents to store (value) or to delete (nullopt).
using DocumentSink = std::function<void(std::string_view key, std::optional<std::string_view> value)>;

// One node of the canonical tree behind a path, kept so that a path can be
// computed again after a name was templated differently (2.3).
struct TreeNode {
  int32_t parent = -1;     // index into the same list; -1: top
  uint32_t run = 0;        // siblings with equal run are concurrent
  bool from_path = false;  // identifier was templated from a path: subject to the trie
};

// `type:identifier` joined with `->` (2.5); inside an identifier `\` is written
// `\\` and `->` is written `-\>`.
std::string path_string(std::span<const model::PathNode> nodes);
model::Fingerprint fingerprint_of(std::string_view path);

struct FlowIdentity {
  model::FlowId id;  // first 16 bytes of SHA-256 over family and fingerprint, as UUID version 8
  model::Family family;
  std::vector<model::PathNode> nodes;
  std::vector<TreeNode> tree;  // parallel to nodes
  std::string path;            // the path string (2.5)
  model::Fingerprint fingerprint{};
  // Traces, neither partial nor test, counted in it by all shards: the flow
  // exists while this is above zero.
  mutable std::atomic<int64_t> whole_traces{0};
  // Start of the latest of them any book has added, in seconds.
  mutable std::atomic<uint32_t> last_seen{0};
  // No longer the catalog's: its path, should it come again, is another flow.
  mutable std::atomic<bool> given_way{false};
};

struct Resolved {
  const FlowIdentity* flow = nullptr;  // the surviving flow
  std::vector<uint32_t> node_map;      // node of the asked flow -> node of the survivor; empty: identity
};

// A trace's nodes as those of the flow its own has become: the survivor's names
// with the trace's services. Where some of them became one: the survivor's own.
std::vector<model::PathNode> survivor_nodes(const Resolved&, std::span<const model::PathNode> nodes);

// What had to give way since the last call of take_overflow().
struct FlowOverflow {
  uint64_t flows = 0;
  // Of the last batch: the family that lost most, and how many.
  model::Family family;
  uint64_t batch = 0, of_family = 0, of_service = 0;
};

// Thread-safe. Identities live until they have given way and every reader has
// forgotten them. Identities asked about are those of this catalog.
class FlowCatalog {
 public:
  // 0: as many flows as there are. The flows that became others may be as many
  // again.
  explicit FlowCatalog(size_t max_flows = 0);
  ~FlowCatalog();

  // Finds or creates. Where a new flow would be one too many, a twentieth of
  // them gives way: those with the fewest traces, of these the longest unseen,
  // but none of the quarter that came last. The flows that became them go too.
  const FlowIdentity* intern(const model::Family&, std::vector<model::PathNode> nodes,
                             std::vector<TreeNode> tree);
  // From a stored document (see encode_identity).
  base::Result<const FlowIdentity*> intern_encoded(std::string_view document);
  static std::string encode_identity(const FlowIdentity&);

  const FlowIdentity* find(const model::FlowId&) const;  // not resolved; null when unknown
  // The flow that id stands for today, for who is no reader; null when unknown.
  std::shared_ptr<const FlowIdentity> survivor(const model::FlowId&) const;
  Resolved resolve(const FlowIdentity*) const;  // follows aliases to the end
  bool exists(const FlowIdentity*) const;       // whole_traces of the survivor and all its aliases > 0
  // The flows that became this one, directly or not, by id.
  std::vector<const FlowIdentity*> aliases(const FlowIdentity*) const;
  size_t size() const;

  // After tries changed: recomputes the paths of flows that have `from_path`
  // nodes of that service and records aliases old -> new.
  void rename(std::string_view service,
              const std::function<std::string(const model::PathNode&)>& new_identifier);

  // Aliases made since the last call, as documents under "alias/…" (idempotent
  // facts; stored in the same batch as the statistics that rely on them).
  void take_dirty(const DocumentSink&);
  base::Result<void> load_alias(std::string_view key, std::string_view value);

  // Goes up when flows give way, or become others.
  uint64_t epoch() const;
  uint64_t alias_version() const;
  static std::shared_ptr<const FlowIdentity> share(const FlowIdentity*);
  // True once for a flow that gave way. Asked by books that had, or meet, a
  // trace that makes it exist: who is told so counts it.
  static bool claim(const FlowIdentity*);
  FlowOverflow take_overflow();
  size_t max_flows() const;

  // One that knows identities by address. Used by one thread at a time.
  class Reader {
   public:
    explicit Reader(const FlowCatalog&);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    bool behind() const { return seen_ != catalog_.epoch(); }
    // Shows what gave way since the last call, to be forgotten. Afterwards
    // nothing of it may be used.
    void catch_up(const std::function<void(const FlowIdentity*)>& forget);

   private:
    friend class FlowCatalog;
    const FlowCatalog& catalog_;
    uint64_t seen_;  // written under the catalog's lock
  };

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::discovery
