// Failed attempts and what came after them (discovery.md 2.4).
#include <xxhash.h>

#include <algorithm>
#include <tuple>

#include "discovery/path_builder.h"
#include "model/sibling_order.h"

namespace testmesh::discovery {

using model::SpanKind;

void PathBuilder::handle_retries(std::span<const uint32_t> children) {
  resent_after_failure_.clear();
  offsets_.clear();  // here: the operations that failed
  for (const uint32_t child : children)
    if (span_at(child).error) offsets_.push_back(facts_at(child).operation);
  std::ranges::sort(offsets_);

  attempts_.clear();
  if (!offsets_.empty()) {
    for (const uint32_t child : children) {
      const uint32_t operation = facts_at(child).operation;
      if (!std::ranges::binary_search(offsets_, operation)) continue;
      const SpanInput& span = span_at(child);
      Attempt& attempt = attempts_.emplace_back();
      attempt.start = span.start;
      attempt.counted_start = model::counted_start(span.start);
      attempt.end = span.end;
      attempt.id = span.id;
      attempt.operation = operation;
      attempt.position = child;
      attempt.error = span.error;
    }
  }

  const auto for_groups = [](std::span<Attempt> all, auto key, auto handle) {
    std::ranges::stable_sort(all, {}, key);
    for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
      while (end < all.size() && key(all[end]) == key(all[begin])) ++end;
      if (end - begin > 1) handle(all.subspan(begin, end - begin));
    }
  };
  for_groups(
      attempts_, [](const Attempt& a) { return a.operation; },
      [&](std::span<Attempt> same_name) {
        for (Attempt& attempt : same_name) {
          const std::string_view url =
              *url_of_ ? (*url_of_)((*tree_)[attempt.position].input) : std::string_view();
          const XXH128_hash_t hash = XXH3_128bits(url.data(), url.size());
          attempt.url_low = hash.low64;
          attempt.url_high = hash.high64;
        }
        for_groups(
            same_name, [](const Attempt& a) { return std::pair(a.url_low, a.url_high); },
            [&](std::span<Attempt> same) { handle_attempts(same); });
      });

  // Only now: an attempt has what it took.
  for (const auto& [retry, failed] : resent_after_failure_) count_retry(retry, failed);
  std::ranges::sort(resent_after_failure_);
  for (const uint32_t child : children) {
    if (!facts_at(child).is_resend) continue;
    const auto counted =
        std::ranges::lower_bound(resent_after_failure_, child, {}, &std::pair<uint32_t, uint32_t>::first);
    if (counted == resent_after_failure_.end() || counted->first != child) count_retry(child, child);
  }
}

// Attempts at one operation. From the last to the first, so that an attempt
// whose successor failed too takes what that one has taken.
void PathBuilder::handle_attempts(std::span<Attempt> attempts) {
  // By the start that counts. Not by position: the entry comes first there,
  // whatever stands beside it.
  std::ranges::sort(attempts, {},
                    [](const Attempt& a) { return std::tuple(a.counted_start, a.start, a.end, a.id); });
  // Which of two came first shows in their ends alone when a start was cut off.
  const auto order = [](const Attempt& a) { return std::tuple(a.end, a.start, a.id); };
  std::vector<uint32_t> failures;
  for (uint32_t i = 0; i < attempts.size(); ++i)
    if (attempts[i].error) failures.push_back(i);
  std::ranges::sort(failures,
                    [&](uint32_t a, uint32_t b) { return order(attempts[a]) > order(attempts[b]); });

  for (const uint32_t i : failures) {
    const Attempt& failed = attempts[i];
    // The very same instant is beside it, not after it.
    const bool exact = failed.counted_start == failed.start;
    const auto follows = [&](const Attempt& next) {
      return order(next) > order(failed) && !(exact && next.start == failed.start);
    };
    // Of a million at one instant the same are not looked at a million times.
    const auto behind_its_instant =
        exact ? std::ranges::upper_bound(attempts, failed.start, {}, &Attempt::counted_start)
              : attempts.begin() + i + 1;
    const auto step = [&](auto at) {
      --retry_budget_;
      return at->start == failed.start ? std::max(at + 1, behind_its_instant) : at + 1;
    };
    auto next = std::ranges::lower_bound(attempts, failed.end, {}, &Attempt::counted_start);
    while (next != attempts.end() && !follows(*next) && retry_budget_ > 0) next = step(next);
    if (next == attempts.end() || !follows(*next)) continue;
    resent_after_failure_.emplace_back(next->position, failed.position);
    for (; next != attempts.end() && retry_budget_ > 0; next = step(next))
      if (follows(*next) && take_subtree(failed.position, next->position)) break;
  }
}

// At the first node that the retry adds.
void PathBuilder::count_retry(uint32_t retry, uint32_t fallback) {
  const ItemList* list = &place(retry).list;
  if (list->count == 0) list = &place(fallback).list;
  if (list->count > 0) retried_.push_back(subtrees_.members(*list).front());
}

// Makes `failed` add what `next` adds, if `next` visits all its nodes in their
// order; the uninstrumented peer of the failed call itself apart (it is there
// because the callee never answered), also of a call nested in that call.
bool PathBuilder::take_subtree(uint32_t failed, uint32_t next) {
  Place& mine = place(failed);
  const ItemList theirs = place(next).list;
  if (mine.list.count == 0 || theirs.count == 0) return false;
  if (mine.list.hash == theirs.hash) return true;

  const uint32_t failed_end = (*tree_)[failed].end;
  if (retry_budget_ < failed_end - failed) {
    retry_budget_ = 0;
    return false;
  }
  retry_budget_ -= failed_end - failed;
  std::vector<uint32_t> own_peers;
  std::vector<bool> same_call(failed_end - failed, false);
  for (uint32_t position = failed; position < failed_end; ++position) {
    const bool nested = position == failed || same_call[(*tree_)[position].parent - failed];
    if (!nested || facts_at(position).kind != SpanKind::kClient) continue;
    same_call[position - failed] = true;
    const Place& here = place(position);
    if (here.own_peer) own_peers.push_back(subtrees_.find(here.own[here.own_count - 1]));
  }
  std::ranges::sort(own_peers);

  // The path index, behind the list's start, of what each of my nodes matches.
  std::vector<uint32_t> matches;
  {
    std::vector<std::span<const uint32_t>> my_stack, their_stack;
    Subtrees::Walk my(subtrees_, my_stack, mine.list), their(subtrees_, their_stack, theirs);
    uint32_t index = 0, last = 0;
    for (; !my.at_end(); my.next()) {
      if (std::ranges::binary_search(own_peers, my.item())) {
        matches.push_back(last);
        continue;
      }
      while (!their.at_end() && subtrees_[their.item()].node != subtrees_[my.item()].node) {
        if (retry_budget_ == 0) return false;
        --retry_budget_;
        their.next();
        ++index;
      }
      if (their.at_end()) return false;
      matches.push_back(last = index);
      their.next();
      ++index;
    }
  }

  // Where each of my nodes is in my list; then pin it to its match.
  subtrees_.place(mine.list, 0);
  indices_.resize(std::max<size_t>(indices_.size(), subtrees_.size()));
  const auto for_own_items = [&](auto&& handle) {
    for (uint32_t position = failed; position < failed_end; ++position)
      for (uint32_t i = 0; i < place(position).own_count; ++i) handle(place(position).own[i]);
  };
  const uint32_t outside = [&] {
    const Place& here = place(failed);
    return here.own_count > 0 ? subtrees_[here.own[0]].owner : here.lowest;
  }();
  const auto index_of = [&](uint32_t item) {
    const uint32_t owner = subtrees_[item].owner;
    const uint32_t offset = subtrees_[subtrees_.find(item)].offset;
    const uint32_t before = owner == outside ? 0 : indices_[owner];
    return offset == kNoItem || before == kNoItem ? kNoItem : before + offset;
  };
  for_own_items([&](uint32_t item) {
    if (subtrees_[item].pinned == kNoItem) indices_[item] = index_of(item);
  });
  for_own_items([&](uint32_t item) {
    if (const uint32_t pinned = subtrees_[item].pinned; pinned != kNoItem)
      indices_[item] =
          indices_[pinned] == kNoItem ? kNoItem : indices_[pinned] + subtrees_[item].pinned_offset;
  });
  std::vector<std::pair<uint32_t, uint32_t>> tops;  // first index, item
  uint32_t index = 0;
  for (const uint32_t member : subtrees_.members(theirs)) {
    tops.emplace_back(index, member);
    index += 1 + static_cast<uint32_t>(subtrees_[member].below.hash.length);
  }
  for_own_items([&](uint32_t item) {
    Item& here = subtrees_[item];
    here.pinned = kNoItem;
    here.offset = kNoItem;
    if (indices_[item] >= matches.size()) return;
    const uint32_t match = matches[indices_[item]];
    const auto top = std::ranges::upper_bound(tops, match, {}, &std::pair<uint32_t, uint32_t>::first) - 1;
    here.pinned = top->second;
    here.pinned_offset = match - top->first;
  });
  mine.list = theirs;
  return true;
}

}  // namespace testmesh::discovery
