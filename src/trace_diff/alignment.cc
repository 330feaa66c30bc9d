#include "trace_diff/alignment.h"

#include <algorithm>
#include <unordered_map>

namespace testmesh::trace_diff {
namespace {

constexpr double kLeastLikeness = 0.5;
// How many leftovers of one name are looked at to find the one most alike.
constexpr size_t kMostCandidates = 64;

enum class Least { kAlike, kAnything };

class Aligner {
 public:
  Aligner(const CallTree& left, const CallTree& right, uint64_t budget)
      : left_(left), right_(right), budget_(budget) {
    result_.of_left.assign(left.size(), kNone);
    result_.of_right.assign(right.size(), kNone);
    result_.out_of_order.assign(left.size(), false);
  }

  Alignment run() {
    if (left_.size() == 0 || right_.size() == 0) return std::move(result_);
    if (left_[0].key == right_[0].key) match(0, 0);
    align_below(kNone, kNone, Least::kAlike);
    descend(Least::kAlike);
    match_leftovers(2, Least::kAlike);

    align_below(kNone, kNone, Least::kAnything);
    next_ = 0;
    descend(Least::kAnything);
    match_leftovers(1, Least::kAnything);

    order_below(kNone, kNone);
    for (const auto& [left, right] : matched_) order_below(left, right);
    return std::move(result_);
  }

 private:
  struct Candidate {
    double likeness;
    uint32_t left, right;
  };

  void match(uint32_t left, uint32_t right) {
    result_.of_left[left] = right;
    result_.of_right[right] = left;
    matched_.emplace_back(left, right);
  }
  bool left_over(const CallTree& tree, uint32_t call) const {
    return (&tree == &left_ ? result_.of_left : result_.of_right)[call] == kNone;
  }

  void descend(Least least) {
    for (; next_ < matched_.size(); ++next_)
      align_below(matched_[next_].first, matched_[next_].second, least);
  }

  // The entry is matched with the other's or with none beside it.
  std::vector<uint32_t> left_over_below(const CallTree& tree, uint32_t call) const {
    std::vector<uint32_t> found = tree.children(call);
    std::erase_if(found,
                  [&](uint32_t child) { return !left_over(tree, child) || (call == kNone && child == 0); });
    return found;
  }

  void align_below(uint32_t left, uint32_t right, Least least) {
    std::vector<uint32_t> lefts = left_over_below(left_, left);
    if (lefts.empty()) return;
    std::vector<uint32_t> rights = left_over_below(right_, right);
    if (rights.empty()) return;
    join(lefts, rights, &Call::shape, [&](std::span<const uint32_t> l, std::span<const uint32_t> r) {
      for (size_t i = 0; i < std::min(l.size(), r.size()); ++i) match(l[i], r[i]);
    });
    std::erase_if(lefts, [&](uint32_t call) { return !left_over(left_, call); });
    std::erase_if(rights, [&](uint32_t call) { return !left_over(right_, call); });
    join(lefts, rights, &Call::key,
         [&](std::span<const uint32_t> l, std::span<const uint32_t> r) { match_most_alike(l, r, least); });
  }

  // Those of both lists that share a number, side by side, each in its order.
  template <typename Visit>
  void join(std::vector<uint32_t>& lefts, std::vector<uint32_t>& rights, uint32_t Call::* number,
            const Visit& visit) {
    std::ranges::sort(lefts, {}, [&](uint32_t i) { return std::pair(left_[i].*number, i); });
    std::ranges::sort(rights, {}, [&](uint32_t i) { return std::pair(right_[i].*number, i); });
    size_t l = 0, r = 0;
    while (l < lefts.size() && r < rights.size()) {
      const uint32_t a = left_[lefts[l]].*number, b = right_[rights[r]].*number;
      size_t l_end = l, r_end = r;
      while (l_end < lefts.size() && left_[lefts[l_end]].*number == a) ++l_end;
      while (r_end < rights.size() && right_[rights[r_end]].*number == b) ++r_end;
      if (a == b) visit(std::span(lefts).subspan(l, l_end - l), std::span(rights).subspan(r, r_end - r));
      if (a <= b) l = l_end;
      if (b <= a) r = r_end;
    }
  }

  double likeness(uint32_t left, uint32_t right) const {
    return Sketch::likeness(left_[left].below, right_[right].below);
  }

  bool afford(uint64_t comparisons) {
    if (comparisons > budget_) {
      result_.truncated = true;
      return false;
    }
    budget_ -= comparisons;
    return true;
  }

  // Of one name, none looks equal to another.
  void match_most_alike(std::span<const uint32_t> lefts, std::span<const uint32_t> rights, Least least) {
    if (least == Least::kAnything && lefts.size() == 1 && rights.size() == 1)
      return match(lefts.front(), rights.front());
    if (!afford(uint64_t{lefts.size()} * rights.size())) {
      for (size_t i = 0; i < std::min(lefts.size(), rights.size()); ++i) match(lefts[i], rights[i]);
      return;
    }
    std::vector<Candidate> candidates;
    for (const uint32_t left : lefts)
      for (const uint32_t right : rights)
        if (const double alike = likeness(left, right); least == Least::kAnything || alike >= kLeastLikeness)
          candidates.push_back({alike, left, right});
    std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
      return std::tuple(-a.likeness, a.left, a.right) < std::tuple(-b.likeness, b.left, b.right);
    });
    for (const Candidate& candidate : candidates)
      if (left_over(left_, candidate.left) && left_over(right_, candidate.right))
        match(candidate.left, candidate.right);
  }

  // Subtrees of at least that many calls, the largest first: those that look
  // equal, then those that are alike.
  void match_leftovers(uint32_t least_size, Least least) {
    std::vector<uint32_t> lefts, rights;
    for (uint32_t i = 0; i < left_.size(); ++i)
      if (left_over(left_, i) && left_[i].size >= least_size) lefts.push_back(i);
    for (uint32_t i = 0; i < right_.size(); ++i)
      if (left_over(right_, i) && right_[i].size >= least_size) rights.push_back(i);
    if (lefts.empty() || rights.empty()) return;
    std::ranges::stable_sort(lefts, std::greater{}, [&](uint32_t i) { return left_[i].size; });
    std::ranges::stable_sort(rights, std::greater{}, [&](uint32_t i) { return right_[i].size; });

    struct Queue {
      std::vector<uint32_t> calls;
      size_t next = 0;
    };
    std::unordered_map<uint32_t, Queue> of_shape, of_key;
    for (const uint32_t right : rights) {
      of_shape[right_[right].shape].calls.push_back(right);
      of_key[right_[right].key].calls.push_back(right);
    }
    const auto first_left_over = [&](Queue& queue) {
      while (queue.next < queue.calls.size() && !left_over(right_, queue.calls[queue.next])) ++queue.next;
      return queue.next;
    };
    for (const uint32_t left : lefts) {
      if (!left_over(left_, left)) continue;
      const auto found = of_shape.find(left_[left].shape);
      if (found == of_shape.end()) continue;
      Queue& queue = found->second;
      if (first_left_over(queue) < queue.calls.size()) match_and_below(left, queue.calls[queue.next], least);
    }
    for (const uint32_t left : lefts) {
      if (!left_over(left_, left) || left_[left].below.empty()) continue;
      const auto found = of_key.find(left_[left].key);
      if (found == of_key.end()) continue;
      Queue& queue = found->second;
      Candidate best{0, left, kNone};
      size_t looked_at = 0;
      for (size_t i = first_left_over(queue); i < queue.calls.size() && looked_at < kMostCandidates; ++i) {
        const uint32_t right = queue.calls[i];
        if (!afford(1)) return;
        ++looked_at;
        if (!left_over(right_, right) || right_[right].below.empty()) continue;
        if (const double alike = likeness(left, right); alike >= kLeastLikeness && alike > best.likeness)
          best = {alike, left, right};
      }
      if (best.right != kNone) match_and_below(left, best.right, least);
    }
  }

  // At once, so that no smaller leftover takes what belongs below these.
  void match_and_below(uint32_t left, uint32_t right, Least least) {
    match(left, right);
    descend(least);
  }

  void order_below(uint32_t left, uint32_t right) {
    struct Pair {
      uint32_t left_run, right_run, left, size;
    };
    std::vector<Pair> pairs;
    for (const uint32_t child : left_.children(left)) {
      const uint32_t other = result_.of_left[child];
      if (other == kNone || right_[other].parent != right) continue;
      pairs.push_back({left_[child].run, right_[other].run, child, left_[child].size});
    }
    if (pairs.size() < 2) return;
    std::ranges::sort(pairs, {}, [](const Pair& p) { return std::tuple(p.left_run, p.right_run, p.left); });
    if (std::ranges::is_sorted(pairs, {}, &Pair::right_run)) return;

    // The heaviest sequence in which the right runs do not fall, by a tree of
    // maxima over them. Many before few, then large subtrees before small ones.
    std::vector<uint32_t> runs;
    for (const Pair& pair : pairs) runs.push_back(pair.right_run);
    std::ranges::sort(runs);
    runs.erase(std::ranges::unique(runs).begin(), runs.end());
    struct Best {
      uint64_t weight = 0;
      uint32_t last = kNone;
    };
    std::vector<Best> maxima(runs.size() + 1);
    std::vector<uint32_t> before(pairs.size(), kNone);
    Best heaviest;
    for (uint32_t i = 0; i < pairs.size(); ++i) {
      const auto rank =
          static_cast<size_t>(std::ranges::lower_bound(runs, pairs[i].right_run) - runs.begin()) + 1;
      Best best;
      for (size_t at = rank; at > 0; at -= at & (~at + 1))
        if (maxima[at].weight > best.weight) best = maxima[at];
      before[i] = best.last;
      best = {best.weight + (uint64_t{1} << 32) + pairs[i].size, i};
      for (size_t at = rank; at < maxima.size(); at += at & (~at + 1))
        if (best.weight > maxima[at].weight) maxima[at] = best;
      if (best.weight > heaviest.weight) heaviest = best;
    }
    for (const Pair& pair : pairs) result_.out_of_order[pair.left] = true;
    for (uint32_t i = heaviest.last; i != kNone; i = before[i]) result_.out_of_order[pairs[i].left] = false;
  }

  const CallTree& left_;
  const CallTree& right_;
  uint64_t budget_;
  Alignment result_;
  std::vector<std::pair<uint32_t, uint32_t>> matched_;
  size_t next_ = 0;  // into matched_: below those before it everything alike is matched
};

}  // namespace

Alignment align(const CallTree& left, const CallTree& right, uint64_t budget) {
  return Aligner(left, right, budget).run();
}

}  // namespace testmesh::trace_diff
