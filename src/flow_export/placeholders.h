// The variables of an exported flow. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace testmesh::flow_export {

inline constexpr std::string_view kMask = "***";

// Names with their values, in the order in which they were needed. A name stands
// for one value; another value under it gets `_2`, `_3`, ….
class Placeholders {
 public:
  // An address that a person fills in, one for the whole flow: the first value stays.
  void fixed(std::string_view name, std::string_view value);

  // "/users/:id" of a request for "/users/42" as "/users/{{id}}". What is in the
  // route and looks like a reference is escaped. `path` may be empty, and may have
  // more in front than the route.
  std::string route(std::string_view route, std::string_view path);

  // "name: value" a line, secrets masked.
  struct Entry {
    std::string name, value;
  };
  std::vector<Entry> entries() const;

 private:
  // `key` tells values apart that are not known.
  std::string parameter(std::string_view name, std::string_view value, std::string_view key);

  struct Known {
    std::string base, name, value, key;
  };
  std::vector<Known> known_;
};

}  // namespace testmesh::flow_export
