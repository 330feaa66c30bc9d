#include "validation/path_alignment.h"

#include <algorithm>
#include <unordered_map>

#include "graph/identity.h"

namespace testmesh::validation {
namespace {

// Beyond this many cells of the table nodes are paired first come, first
// served: paths of thousands of nodes that have little in common.
constexpr size_t kMaxCells = size_t{1} << 25;

struct Key {
  uint32_t meaning = 0;
  uint32_t service = 0;  // 0: not said
};

bool same(Key a, Key b) {
  return a.meaning == b.meaning && (a.service == b.service || a.service == 0 || b.service == 0);
}

class Keys {
 public:
  std::vector<Key> of(std::span<const model::PathNode> nodes) {
    std::vector<Key> keys;
    keys.reserve(nodes.size());
    for (const model::PathNode& node : nodes)
      keys.push_back({number(node_key(node)), node.service.empty() ? 0 : number("s" + node.service)});
    return keys;
  }

 private:
  uint32_t number(std::string text) {
    return numbers_.try_emplace(std::move(text), static_cast<uint32_t>(numbers_.size() + 1)).first->second;
  }
  std::unordered_map<std::string, uint32_t> numbers_;
};

class Aligner {
 public:
  Aligner(std::vector<Key> expected, std::vector<Key> actual)
      : expected_(std::move(expected)),
        actual_(std::move(actual)),
        partner_(expected_.size(), kNoPartner),
        taken_(actual_.size(), false) {}

  Alignment run() {
    align_in_order();
    pair_the_rest();
    Alignment result;
    for (uint32_t i = 0; i < expected_.size(); ++i)
      if (partner_[i] == kNoPartner) result.missing.push_back(i);
    for (uint32_t j = 0; j < actual_.size(); ++j)
      if (!taken_[j]) result.surplus.push_back(j);
    result.inversions = inversions();
    result.partner = std::move(partner_);
    return result;
  }

 private:
  void pair(size_t i, size_t j) {
    partner_[i] = static_cast<int32_t>(j);
    taken_[j] = true;
  }
  void part(size_t i) {
    taken_[static_cast<size_t>(partner_[i])] = false;
    partner_[i] = kNoPartner;
  }

  // The longest common subsequence.
  void align_in_order() {
    size_t begin = 0, expected_end = expected_.size(), actual_end = actual_.size();
    while (begin < expected_end && begin < actual_end && same(expected_[begin], actual_[begin])) {
      pair(begin, begin);
      ++begin;
    }
    while (expected_end > begin && actual_end > begin &&
           same(expected_[expected_end - 1], actual_[actual_end - 1]))
      pair(--expected_end, --actual_end);
    const size_t rows = expected_end - begin, columns = actual_end - begin;
    if (rows == 0 || columns == 0 || rows > kMaxCells / columns) return;

    enum Step : uint8_t { kPair, kSkipExpected, kSkipActual };
    std::vector<uint8_t> steps(rows * columns);
    // Lengths of the best alignment of what is behind (i, j).
    std::vector<uint32_t> below(columns + 1, 0), here(columns + 1, 0);
    for (size_t i = rows; i-- > 0;) {
      here[columns] = 0;
      for (size_t j = columns; j-- > 0;) {
        uint8_t step = below[j] >= here[j + 1] ? kSkipExpected : kSkipActual;
        uint32_t best = std::max(below[j], here[j + 1]);
        if (same(expected_[begin + i], actual_[begin + j]) && below[j + 1] + 1 >= best) {
          best = below[j + 1] + 1;
          step = kPair;
        }
        here[j] = best;
        steps[i * columns + j] = step;
      }
      std::swap(below, here);
    }
    for (size_t i = 0, j = 0; i < rows && j < columns;) {
      const uint8_t step = steps[i * columns + j];
      if (step == kPair) pair(begin + i, begin + j);
      i += step != kSkipActual;
      j += step != kSkipExpected;
    }
  }

  // What stands elsewhere. Nodes that say their service first; they may take
  // the partner of one that does not, if that one finds another.
  void pair_the_rest() {
    std::unordered_map<uint32_t, std::vector<uint32_t>> free;  // by meaning
    for (uint32_t j = 0; j < actual_.size(); ++j)
      if (!taken_[j]) free[actual_[j].meaning].push_back(j);
    if (free.empty()) return;
    const auto take_free = [&](uint32_t i) {
      const auto found = free.find(expected_[i].meaning);
      if (found == free.end()) return false;
      for (const uint32_t j : found->second) {
        if (taken_[j] || !same(expected_[i], actual_[j])) continue;
        pair(i, j);
        return true;
      }
      return false;
    };
    std::unordered_map<uint32_t, std::vector<uint32_t>> anyone;  // paired nodes without service, by meaning
    for (uint32_t i = 0; i < expected_.size(); ++i)
      if (expected_[i].service == 0 && partner_[i] != kNoPartner) anyone[expected_[i].meaning].push_back(i);
    for (const bool said : {true, false}) {
      for (uint32_t i = 0; i < expected_.size(); ++i) {
        if (partner_[i] != kNoPartner || (expected_[i].service != 0) != said) continue;
        if (take_free(i) || !said) continue;
        for (const uint32_t other : anyone[expected_[i].meaning]) {
          const auto wanted = static_cast<size_t>(partner_[other]);
          if (!same(expected_[i], actual_[wanted])) continue;
          part(other);
          pair(i, wanted);
          if (take_free(other)) break;
          part(i);
          pair(other, wanted);
        }
      }
    }
  }

  std::vector<std::pair<uint32_t, uint32_t>> inversions() const {
    std::vector<std::pair<uint32_t, uint32_t>> found;
    int32_t highest = kNoPartner;
    for (uint32_t later = 0; later < partner_.size(); ++later) {
      if (partner_[later] == kNoPartner) continue;
      if (partner_[later] > highest) {
        highest = partner_[later];
        continue;
      }
      for (uint32_t earlier = 0; earlier < later; ++earlier) {
        if (partner_[earlier] <= partner_[later]) continue;
        if (found.size() == kMaxInversions) return found;
        found.emplace_back(earlier, later);
      }
    }
    std::ranges::sort(found);
    return found;
  }

  const std::vector<Key> expected_, actual_;
  std::vector<int32_t> partner_;
  std::vector<bool> taken_;
};

}  // namespace

std::string node_key(const model::PathNode& node) {
  std::string key(1, static_cast<char>('0' + static_cast<int>(node.type)));
  return key += node.type == model::NodeType::kApiEndpoint ? graph::anonymous_endpoint(node.identifier)
                                                           : node.identifier;
}

Alignment align(std::span<const model::PathNode> expected, std::span<const model::PathNode> actual) {
  Keys keys;
  std::vector<Key> left = keys.of(expected);
  return Aligner(std::move(left), keys.of(actual)).run();
}

}  // namespace testmesh::validation
