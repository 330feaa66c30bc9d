// Reads an action's `config`, and waits as an action must: no longer than its
// deadline, and looking at the run's cancel flag.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "actions/action.h"
#include "expr/value.h"

namespace testmesh::actions {

// "500ms", "30s", "5m", "2h"; also "1.5s" and sums ("1m30s").
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

// Keeps the first thing that is wrong; what is read after that is a default.
class ConfigReader {
 public:
  explicit ConfigReader(const expr::Value& config) : config_(config) {}

  // Null: not there, or nil.
  const expr::Value* value(std::string_view key) const;
  std::string text(std::string_view key, std::string_view otherwise = {});
  std::string required_text(std::string_view key);
  int64_t integer(std::string_view key, int64_t otherwise, int64_t least, int64_t most);
  bool boolean(std::string_view key, bool otherwise);
  std::chrono::nanoseconds duration(std::string_view key, std::chrono::nanoseconds otherwise);

  void fail(std::string message);
  const std::optional<ActionError>& error() const { return error_; }

 private:
  const expr::Value& config_;
  std::optional<ActionError> error_;
};

// Until when an action may wait.
class Waiting {
 public:
  Waiting(SteadyTime deadline, const std::atomic<bool>& cancelled)
      : deadline_(deadline), cancelled_(cancelled) {}
  // The step's deadline, or sooner by the config's own timeout.
  Waiting(const ActionContext& context, std::chrono::nanoseconds timeout);

  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  bool over() const { return cancelled() || std::chrono::steady_clock::now() >= deadline_; }
  std::chrono::milliseconds left() const;   // never negative
  std::chrono::milliseconds slice() const;  // to sleep at once: at most 50 ms
  SteadyTime deadline() const { return deadline_; }
  // The same, but no longer than `limit` from now.
  Waiting at_most(std::chrono::milliseconds limit) const;

  // False when it is over before `fd` has one of `events` (as poll() has them).
  bool wait_for(int fd, short events) const;

  // Why it is over; `doing` goes on "while …" ("connecting to db:5432").
  ActionError error(std::string_view doing) const;

 private:
  SteadyTime deadline_;
  const std::atomic<bool>& cancelled_;
};

// What two actions of this module know about texts of unknown encoding: valid
// UTF-8 as it is, everything else as base64.
std::string text_or_base64(std::string_view bytes);
std::string to_base64(std::string_view bytes);

// Texts as they are; lists and maps, numbers, booleans as JSON.
std::string to_wire_text(const expr::Value&);

model::KeyValue attribute(std::string_view key, std::string_view text);
model::KeyValue attribute(std::string_view key, int64_t number);

// Milliseconds with a fraction since `start`.
expr::Value milliseconds_since(SteadyTime start);

}  // namespace testmesh::actions
