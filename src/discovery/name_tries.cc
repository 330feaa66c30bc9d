#include "discovery/name_tries.h"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

namespace testmesh::discovery {

namespace {

constexpr std::string_view kParameter = ":param";
constexpr std::string_view kPrefix = "trie/";
// What a stored document says of its position.
constexpr std::string_view kSeen = "v";
constexpr std::string_view kIsParameter = "p";

struct Node {
  // A parameter position has one child at most, under kParameter. A literal
  // ":param" of a client and the parameter read the same, so they may share it.
  bool parameter = false;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
};

struct Trie {
  Node root;
  size_t nodes = 0;
};

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) segments.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

void append_segment(std::string& path, std::string_view segment) { path.append("/").append(segment); }

std::string or_root(std::string path) { return path.empty() ? "/" : std::move(path); }

// "trie/<length of the service>:<service><path>"
std::string key_of(std::string_view service, std::string_view path) {
  std::string key(kPrefix);
  key.append(std::to_string(service.size())).append(":").append(service).append(path);
  return key;
}

}  // namespace

struct NameTries::Impl {
  mutable std::shared_mutex mutex;
  std::map<std::string, Trie, std::less<>> tries;
  std::map<std::string, std::optional<std::string>> dirty;
  std::atomic<uint64_t> version{0};

  // The present form of known segments; nullopt when a segment is new.
  static std::optional<std::string> known_form(const Trie& trie,
                                               const std::vector<std::string_view>& segments) {
    std::string form;
    const Node* node = &trie.root;
    for (const std::string_view segment : segments) {
      const std::string_view name = node->parameter ? kParameter : segment;
      const auto child = node->children.find(name);
      if (child == node->children.end()) return std::nullopt;
      append_segment(form, name);
      node = child->second.get();
    }
    return or_root(std::move(form));
  }

  // The form without recording: what is new stays as it is while there is
  // room for it.
  static std::string form_of(const Trie& trie, const std::vector<std::string_view>& segments) {
    const bool full = trie.nodes >= kMaxTrieNodes;
    size_t depth = 0;
    std::string form;
    const Node* node = &trie.root;
    for (const std::string_view segment : segments) {
      const bool parameter = node != nullptr && node->parameter;
      std::string_view name = parameter ? kParameter : segment;
      const Node* next = nullptr;
      if (node != nullptr) {
        const auto child = node->children.find(name);
        if (child != node->children.end()) next = child->second.get();
      }
      if (next == nullptr && (full || depth >= kMaxTrieDepth)) name = kParameter;
      ++depth;
      append_segment(form, name);
      node = next;
    }
    return or_root(std::move(form));
  }

  void note(std::string_view service, std::string_view path, std::optional<std::string_view> value) {
    dirty.insert_or_assign(key_of(service, path), value ? std::optional<std::string>(*value) : std::nullopt);
  }

  // Inserts as much as there is room for, then turns positions with too many
  // values into parameters, the outermost first.
  bool insert(std::string_view service, Trie& trie, const std::vector<std::string_view>& segments) {
    std::string path;
    Node* node = &trie.root;
    std::vector<std::pair<Node*, std::string>> visited;  // and the path that leads there
    for (const std::string_view segment : segments) {
      visited.emplace_back(node, path);
      const std::string_view name = node->parameter ? kParameter : segment;
      auto child = node->children.find(name);
      append_segment(path, name);
      if (child == node->children.end()) {
        if (trie.nodes >= kMaxTrieNodes || visited.size() > kMaxTrieDepth) break;
        child = node->children.emplace(name, std::make_unique<Node>()).first;
        ++trie.nodes;
        note(service, path, kSeen);
      }
      node = child->second.get();
    }
    for (const auto& [at, prefix] : visited) {
      if (!at->parameter && at->children.size() > kValuesBeforeParameter) {
        make_parameter(service, trie, *at, prefix);
        return true;  // what lay behind was looked at while merging
      }
    }
    return false;
  }

  void forget(std::string_view service, Trie& trie, const Node& node, const std::string& path) {
    --trie.nodes;
    note(service, path, std::nullopt);
    for (const auto& [name, child] : node.children) forget(service, trie, *child, path + "/" + name);
  }

  void remember(std::string_view service, Trie& trie, const Node& node, const std::string& path) {
    ++trie.nodes;
    note(service, path, node.parameter ? kIsParameter : kSeen);
    for (const auto& [name, child] : node.children) remember(service, trie, *child, path + "/" + name);
  }

  // All children become one. Merging can push positions behind it over the
  // limit; those become parameters too, and so the outcome is that of all
  // paths seen, in whatever order they came.
  void make_parameter(std::string_view service, Trie& trie, Node& node, const std::string& path) {
    for (const auto& [name, child] : node.children) forget(service, trie, *child, path + "/" + name);
    merge_children(node);
    note(service, path, kIsParameter);
    for (const auto& [name, child] : node.children) remember(service, trie, *child, path + "/" + name);
    version.fetch_add(1, std::memory_order_release);
  }

  // What is stored already is not dirty. If it is a parameter now although the
  // document does not say so, that is.
  void load_position(std::string_view service, Trie& trie, const std::vector<std::string_view>& segments,
                     bool parameter) {
    auto before = std::move(dirty);
    dirty.clear();
    const bool changed = insert(service, trie, segments);
    if (!changed) dirty.clear();
    for (auto& [key, value] : before) dirty.try_emplace(key, std::move(value));
    if (!parameter) return;
    std::string path;
    Node* node = &trie.root;
    for (const std::string_view segment : segments) {
      const std::string_view name = node->parameter ? kParameter : segment;
      const auto child = node->children.find(name);
      if (child == node->children.end()) return;  // no room: then it is one anyway
      append_segment(path, name);
      node = child->second.get();
    }
    if (node->parameter) return;
    if (node->children.empty()) {
      node->parameter = true;
      version.fetch_add(1, std::memory_order_release);
    } else {
      make_parameter(service, trie, *node, path);
    }
  }

  static void merge_children(Node& node) {
    auto merged = std::make_unique<Node>();
    for (auto& [name, child] : node.children) merge(*merged, std::move(*child));
    node.children.clear();
    node.children.emplace(kParameter, std::move(merged));
    node.parameter = true;
  }

  static void merge(Node& into, Node from) {
    const bool parameter = into.parameter || from.parameter;
    for (auto& [name, child] : from.children) {
      auto [known, fresh] = into.children.try_emplace(name, nullptr);
      if (fresh) {
        known->second = std::move(child);
      } else {
        merge(*known->second, std::move(*child));
      }
    }
    const bool only_parameter =
        into.children.empty() || (into.children.size() == 1 && into.children.begin()->first == kParameter);
    if (parameter && only_parameter) {
      into.parameter = true;
    } else if (parameter || into.children.size() > kValuesBeforeParameter) {
      merge_children(into);
    }
  }
};

NameTries::NameTries() : impl_(std::make_unique<Impl>()) {}
NameTries::~NameTries() = default;

std::string NameTries::observe(std::string_view service, std::string_view path, bool& changed) {
  changed = false;
  const auto segments = segments_of(path);
  {
    const std::shared_lock lock(impl_->mutex);
    if (const auto trie = impl_->tries.find(service); trie != impl_->tries.end()) {
      if (auto form = Impl::known_form(trie->second, segments)) return *std::move(form);
      if (trie->second.nodes >= kMaxTrieNodes) return Impl::form_of(trie->second, segments);
    }
  }
  const std::unique_lock lock(impl_->mutex);
  auto trie = impl_->tries.find(service);
  if (trie == impl_->tries.end()) trie = impl_->tries.emplace(service, Trie{}).first;
  changed = impl_->insert(service, trie->second, segments);
  return Impl::form_of(trie->second, segments);
}

std::string NameTries::apply(std::string_view service, std::string_view path) const {
  const auto segments = segments_of(path);
  const std::shared_lock lock(impl_->mutex);
  const auto trie = impl_->tries.find(service);
  static const Trie kEmpty;
  return Impl::form_of(trie == impl_->tries.end() ? kEmpty : trie->second, segments);
}

bool NameTries::put_parameters(std::string_view service, std::string& path) const {
  if (version() == 0) return false;  // there is no parameter yet
  const std::shared_lock lock(impl_->mutex);
  const auto trie = impl_->tries.find(service);
  if (trie == impl_->tries.end()) return false;
  bool changed = false;
  const Node* node = &trie->second.root;
  for (size_t begin = 0; node != nullptr && begin < path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) {
      std::string_view segment(path.data() + begin, end - begin);
      if (node->parameter && segment != kParameter) {
        path.replace(begin, end - begin, kParameter);
        end = begin + kParameter.size();
        changed = true;
      }
      if (node->parameter) segment = kParameter;
      const auto child = node->children.find(segment);
      node = child == node->children.end() ? nullptr : child->second.get();
    }
    begin = end + 1;
  }
  return changed;
}

uint64_t NameTries::version() const { return impl_->version.load(std::memory_order_acquire); }

void NameTries::take_dirty(const DocumentSink& sink) {
  std::map<std::string, std::optional<std::string>> taken;
  {
    const std::unique_lock lock(impl_->mutex);
    taken.swap(impl_->dirty);
  }
  for (const auto& [key, value] : taken)
    sink(key, value ? std::optional<std::string_view>(*value) : std::nullopt);
}

base::Result<void> NameTries::load(std::string_view key, std::string_view value) {
  const auto corrupt = [&] {
    return base::fail(base::ErrorCode::kCorrupt, "a stored trie position does not read back: key of " +
                                                     std::to_string(key.size()) + " bytes, value of " +
                                                     std::to_string(value.size()));
  };
  if (!key.starts_with(kPrefix) || (value != kSeen && value != kIsParameter)) return corrupt();
  std::string_view rest = key.substr(kPrefix.size());
  size_t length = 0;
  const size_t colon = rest.find(':');
  if (colon == 0 || colon > 9) return corrupt();  // also npos
  for (const char digit : rest.substr(0, colon)) {
    if (digit < '0' || digit > '9') return corrupt();
    length = length * 10 + static_cast<size_t>(digit - '0');
  }
  rest.remove_prefix(colon + 1);
  if (length > rest.size()) return corrupt();
  const std::string_view service = rest.substr(0, length);
  const std::string_view path = rest.substr(length);
  if (!path.empty() && !path.starts_with('/')) return corrupt();
  const auto segments = segments_of(path);
  if (key != key_of(service, path)) return corrupt();

  const std::unique_lock lock(impl_->mutex);
  auto trie = impl_->tries.find(service);
  if (trie == impl_->tries.end()) trie = impl_->tries.emplace(service, Trie{}).first;
  impl_->load_position(service, trie->second, segments, value == kIsParameter);
  return {};
}

}  // namespace testmesh::discovery
