#include "simulate/truth.h"

#include <algorithm>
#include <vector>

#include "otlp/json_writer.h"

namespace testmesh::simulate {
namespace {

constexpr size_t kMostRemembered = 1 << 16;

void add_counts(BehaviourCounts& to, const BehaviourCounts& from) {
  to.traces += from.traces;
  to.whole += from.whole;
  to.partial += from.partial;
  to.beheaded += from.beheaded;
  to.not_seen += from.not_seen;
  to.with_error += from.with_error;
}

void write_number(otlp::JsonWriter& out, std::string_view name, uint64_t number) {
  out.key(name);
  out.number(static_cast<int64_t>(number));
}

void write_counts(otlp::JsonWriter& out, const BehaviourCounts& counts) {
  write_number(out, "traces", counts.traces);
  write_number(out, "whole", counts.whole);
  write_number(out, "partial", counts.partial);
  write_number(out, "beheaded", counts.beheaded);
  write_number(out, "not_seen", counts.not_seen);
  write_number(out, "with_error", counts.with_error);
}

}  // namespace

Seen seen_of(const System& system, const TracePlan& plan) {
  const auto sent = [&](uint32_t action) { return plan.fates[action].delivery == Delivery::kSent; };
  const bool untraced = system.phases[plan.phase].entries[plan.entry].untraced_caller;
  bool any = false, entry_absent_only = true, has_root = false, other_kinds = false;
  uint32_t absent = kAbsent;
  for (uint32_t i = 0; i < plan.actions.size(); ++i) {
    if (!sent(i)) continue;
    any = true;
    const Action& action = plan.actions[i];
    if (action.parent == kAbsent) {
      has_root = !untraced;  // with a caller, this is the one whose parent never comes
      continue;
    }
    if (sent(action.parent)) continue;
    if (absent != kAbsent && absent != action.parent) entry_absent_only = false;
    absent = action.parent;
    other_kinds |= action.kind != ActionKind::kHandler;
  }
  if (!any) return Seen::kNot;
  if (absent == kAbsent) return Seen::kWhole;
  const bool caller_absent_too = untraced && sent(0);
  const bool looks_whole = !has_root && !caller_absent_too && entry_absent_only && !other_kinds;
  return looks_whole ? Seen::kBeheaded : Seen::kPartial;
}

void Truth::add(const TracePlan& plan) {
  BehaviourCounts*& known = by_choices_[plan.choices];
  if (!known) known = &behaviours_[{plan.phase, plan.entry, behaviour_path(system_, plan)}];
  BehaviourCounts& counts = *known;
  if (by_choices_.size() > kMostRemembered) by_choices_.clear();
  ++counts.traces;
  if (std::ranges::any_of(plan.actions, &Action::error)) ++counts.with_error;
  switch (seen_of(system_, plan)) {
    case Seen::kNot:
      ++counts.not_seen;
      break;
    case Seen::kWhole:
      ++counts.whole;
      break;
    case Seen::kPartial:
      ++counts.partial;
      break;
    case Seen::kBeheaded:
      ++counts.beheaded;
      break;
  }
  spans_.planned += plan.actions.size();
  for (const Fate& fate : plan.fates) {
    spans_.unsampled += fate.delivery == Delivery::kUnsampled;
    spans_.lost += fate.delivery == Delivery::kLost;
    if (fate.delivery != Delivery::kSent) continue;
    ++spans_.sent;
    spans_.late += fate.late;
    spans_.duplicates += fate.duplicate;
  }
}

void Truth::merge(const Truth& other) {
  for (const auto& [key, counts] : other.behaviours_) add_counts(behaviours_[key], counts);
  spans_.planned += other.spans_.planned;
  spans_.sent += other.spans_.sent;
  spans_.unsampled += other.spans_.unsampled;
  spans_.lost += other.spans_.lost;
  spans_.late += other.spans_.late;
  spans_.duplicates += other.spans_.duplicates;
}

std::string Truth::to_json(uint64_t seed) const {
  otlp::JsonWriter out;
  out.open_object();
  out.key("system");
  out.text(system_.name);
  out.key("seed");
  out.quoted(seed);
  BehaviourCounts all;
  for (const auto& [key, counts] : behaviours_) add_counts(all, counts);
  out.key("total");
  out.open_object();
  write_counts(out, all);
  out.close_object();
  out.key("spans");
  out.open_object();
  write_number(out, "planned", spans_.planned);
  write_number(out, "sent", spans_.sent);
  write_number(out, "unsampled", spans_.unsampled);
  write_number(out, "lost", spans_.lost);
  write_number(out, "late", spans_.late);
  write_number(out, "duplicates", spans_.duplicates);
  out.close_object();
  std::vector<const std::pair<const Key, BehaviourCounts>*> ordered;
  for (const auto& item : behaviours_) ordered.push_back(&item);
  std::ranges::stable_sort(ordered, [](const auto* a, const auto* b) {
    return std::pair(a->first.phase, b->second.traces) < std::pair(b->first.phase, a->second.traces);
  });
  out.key("behaviours");
  out.open_array();
  for (const auto* item : ordered) {
    const Phase& phase = system_.phases[item->first.phase];
    const Entry& entry = phase.entries[item->first.entry];
    const Service& service = phase.services[entry.service];
    out.open_object();
    write_number(out, "deploys_before", item->first.phase);
    out.key("request");
    out.text(service.name + " " + endpoint_name(phase, service.endpoints[entry.endpoint]));
    out.key("environment");
    out.text(entry.environment);
    out.key("test");
    out.text(entry.test);
    write_counts(out, item->second);
    out.key("path");
    out.text(item->first.path);
    out.close_object();
  }
  out.close_array();
  out.close_object();
  return out.take();
}

}  // namespace testmesh::simulate
