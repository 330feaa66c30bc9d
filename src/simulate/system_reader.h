// Turns the tree of a file into a System. Private to the module.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "simulate/check.h"
#include "simulate/system.h"
#include "simulate/yaml_reader.h"

namespace testmesh::simulate {

inline constexpr size_t kMostParts = 200'000;  // times deploys
inline constexpr size_t kMostAttributes = 100;

class SystemReader {
 public:
  explicit SystemReader(std::vector<Problem>& problems) : problems_(problems) {}
  System read(const YamlNode& file);

 private:
  struct EndpointPlace {
    uint32_t service = 0, endpoint = 0;
  };

  // system_yaml.cc
  void read_telemetry(const YamlNode&);
  void read_topics(const YamlNode&);
  void read_service_names(const YamlNode&);
  void read_service(const YamlNode&, Service&);
  std::optional<Endpoint> endpoint_of(const YamlNode& key, const Service&);
  void read_attributes(const MapReader&, Service&);
  void read_traffic(const YamlNode&);
  void read_handlers(const YamlNode& services);
  void read_handler(const YamlNode&, Handler&);
  void read_handler_failure(const MapReader&, Handler&);
  void check_all(const YamlNode& file);
  uint32_t topic(const std::string& name);
  std::optional<EndpointPlace> find_endpoint(const YamlNode&, std::string_view text);
  std::optional<uint32_t> find_service(const YamlNode&, std::string_view name);
  std::optional<uint32_t> find_endpoint_of(const YamlNode&, uint32_t service, std::string_view endpoint);

  // step_yaml.cc
  std::vector<Step> read_steps(const std::vector<YamlNode>&, bool in_parallel, uint32_t depth);
  std::optional<Step> read_step(const YamlNode&, bool in_parallel, uint32_t depth);
  bool read_target(const MapReader&, std::string_view key, const YamlNode&, Step&, uint32_t depth);
  void read_external(const YamlNode&, Step&);
  Database read_database(const YamlNode&);
  void read_settings(const MapReader&, Step&);
  void read_step_failure(const MapReader&, Step&);

  // deploy_yaml.cc
  void read_deploy(const YamlNode&);
  void read_change(const YamlNode&, Handler&);
  Step* find_step(const YamlNode&, Handler&, std::vector<Step>*& list);

  Phase& phase() { return system_.phases.back(); }

  Problems problems_;
  System system_;
  size_t parts_ = 1;  // services, endpoints and steps read so far
  std::map<std::string, uint32_t, std::less<>> service_numbers_, topic_numbers_;
  std::vector<std::map<std::string, uint32_t, std::less<>>> endpoint_numbers_;  // by service
  std::vector<Topic> topics_;                                                   // of all phases
  std::map<std::pair<uint32_t, uint32_t>, const YamlNode*> endpoints_;          // where they are described
  std::vector<const YamlNode*> deploys_;                                        // by phase; null: the first
};

}  // namespace testmesh::simulate
