#include "discovery/names.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "discovery/db_operation.h"
#include "discovery/slots.h"
#include "discovery/text_class.h"

namespace testmesh::discovery {

namespace {

std::string_view first_of(const SpanDescription& span, AliasSlots alias) {
  for (const Slot slot : alias)
    if (!span[slot].empty()) return span[slot];
  return {};
}

bool any_of(const SpanDescription& span, AliasSlots slots) { return !first_of(span, slots).empty(); }

// ---- Databases --------------------------------------------------------------

struct Renamed {
  std::string_view old_name;
  std::string_view new_name;
};

// `db.system` values that `db.system.name` spells differently.
constexpr Renamed kRenamedSystems[] = {
    {"adabas", "softwareag.adabas"},
    {"cache", "intersystems.cache"},
    {"cosmosdb", "azure.cosmosdb"},
    {"db2", "ibm.db2"},
    {"dynamodb", "aws.dynamodb"},
    {"firebird", "firebirdsql"},
    {"h2", "h2database"},
    {"hanadb", "sap.hana"},
    {"informix", "ibm.informix"},
    {"ingres", "actian.ingres"},
    {"intersystems_cache", "intersystems.cache"},
    {"maxdb", "sap.maxdb"},
    {"mssql", "microsoft.sql_server"},
    {"netezza", "ibm.netezza"},
    {"oracle", "oracle.db"},
    {"redshift", "aws.redshift"},
    {"spanner", "gcp.spanner"},
};

std::string_view present_system_name(std::string_view system) {
  for (const Renamed& renamed : kRenamedSystems)
    if (renamed.old_name == system) return renamed.new_name;
  return system;
}

void name_database(const SpanDescription& span, SpanNames& names) {
  const std::string_view system = first_of(span, kDbSystemSlots);
  if (system.empty()) return;
  names.database_system = present_system_name(system);
  // Redis numbers its databases, and said so only in the new conventions.
  const std::string_view name = first_of(span, kDbNamespaceSlots);
  const bool named = !name.empty() && !std::ranges::all_of(name, is_digit);
  names.database = named ? name : std::string_view(names.database_system);
  const std::string_view operation = first_of(span, kDbOperationSlots);
  names.writes = is_writing_operation(operation.empty() ? span.name : operation);
}

// ---- HTTP and RPC -----------------------------------------------------------

constexpr std::string_view kMethods[] = {"GET",     "POST",  "PUT",   "DELETE",  "HEAD",
                                         "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY"};

bool is_method(std::string_view word) { return std::ranges::find(kMethods, word) != std::end(kMethods); }

std::string method_of(std::string_view text) {
  std::string method(text);
  std::ranges::transform(method, method.begin(), to_upper);
  return is_method(method) ? method : "_OTHER";
}

// `GET /items/{id}` names its route when that has a parameter; without one it
// may as well be a path.
std::string_view route_in_name(std::string_view name) {
  if (const size_t space = name.find(' '); space != std::string_view::npos) {
    if (!is_method(name.substr(0, space))) return {};
    name.remove_prefix(space + 1);
  }
  return name.starts_with('/') && has_parameter(name) ? name : std::string_view{};
}

// The path of `scheme://authority/path?query`; of anything without scheme and
// authority, all of it.
std::string_view path_of_url(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos || url.find_first_of("/?#") < scheme) return url;
  url.remove_prefix(scheme + 3);
  const size_t end = url.find_first_of("/?#");
  return end == std::string_view::npos ? std::string_view{} : url.substr(end);
}

void name_endpoint(const SpanDescription& span, SpanNames& names) {
  if (const std::string_view method = first_of(span, kMethodSlots); !method.empty()) {
    if (const std::string_view route = first_of(span, kRouteSlots); !route.empty()) {
      names.route = template_route(route);
    } else if (const std::string_view named = route_in_name(span.name); !named.empty()) {
      names.route = template_route(named);
    } else if (const std::string_view path = first_of(span, kPathSlots); !path.empty()) {
      names.route = template_path(path.starts_with('/') ? path : path_of_url(path));
      names.route_from_path = true;
    } else if (const std::string_view url = first_of(span, kUrlSlots); !url.empty()) {
      names.route = template_path(path_of_url(url));
      names.route_from_path = true;
    }
    if (!names.route.empty()) {
      names.method = method_of(method);
      names.endpoint = endpoint_name(names.method, names.route);
      return;
    }
  }
  const std::string_view method = first_of(span, kRpcMethodSlots);
  if (method.empty()) return;
  const std::string_view service = first_of(span, kRpcServiceSlots);
  if (!service.empty() && method.find('/') == std::string_view::npos)
    names.endpoint.append(service).append("/");
  names.endpoint.append(method);
}

// ---- Peers ------------------------------------------------------------------

std::string host_name(std::string_view host) {
  if (host.starts_with('/')) return std::string(host);  // a socket's file is no host
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') == std::string_view::npos ? host.size() : host.find(']') - 1);
  } else if (const size_t colon = host.find(':');
             colon != std::string_view::npos && host.find(':', colon + 1) == std::string_view::npos) {
    host = host.substr(0, colon);  // a port; with more colons it is IPv6
  }
  if (is_ip_address(host)) return ":ip";
  std::string name(host);
  std::ranges::transform(name, name.begin(), to_lower);
  return name;
}

std::string_view authority_of_url(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const size_t user = url.rfind('@'); user != std::string_view::npos) url.remove_prefix(user + 1);
  return url;
}

std::string peer_of(const SpanDescription& span) {
  if (const std::string_view name = first_of(span, kPeerServiceSlots); !name.empty())
    return std::string(name);
  if (const std::string_view address = first_of(span, kServerAddressSlots); !address.empty())
    return host_name(address);
  return host_name(authority_of_url(first_of(span, kUrlSlots)));
}

// ---- Messaging --------------------------------------------------------------

void name_topic(const SpanDescription& span, SpanNames& names) {
  names.topic = first_of(span, kDestinationSlots);
  names.sends = !names.topic.empty();
}

bool is_sending(std::string_view operation) {
  return operation == "send" || operation == "publish" || operation == "create";
}

bool is_positive(std::string_view number) {
  return !number.empty() && std::ranges::all_of(number, is_digit) &&
         number.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

std::string endpoint_name(std::string_view method, std::string_view route) {
  std::string name(method);
  name.append(" ").append(route);
  return name;
}

bool names_route(std::string_view span_name) { return !route_in_name(span_name).empty(); }

std::string template_span_name(std::string_view name) {
  if (name.starts_with("HTTP ") && is_method(name.substr(5))) return std::string(name.substr(5));
  std::string result;
  result.reserve(name.size());
  for (size_t at = 0; at < name.size();) {
    if (is_space(name[at])) {
      result += name[at++];
      continue;
    }
    const auto* const end = std::find_if(name.begin() + at, name.end(), is_space);
    const std::string_view word(name.begin() + at, end);
    at += word.size();
    if (word.starts_with('/')) {
      result += template_route_and_path(word);
    } else if (is_identifier(word)) {
      result += ":id";
    } else {
      result += word;
    }
  }
  return result;
}

SpanNames names_of(const SpanDescription& span) {
  SpanNames names;
  names.operation = template_span_name(span.name);
  names.is_test = span.name.starts_with("testmesh.") || span.name.starts_with("execution.") ||
                  any_of(span, kExecutionSlots);
  names.is_resend = is_positive(first_of(span, kResendSlots));
  const std::string_view operation = first_of(span, kMessagingOperationSlots);
  switch (span.kind) {
    case model::SpanKind::kServer:
      name_endpoint(span, names);
      break;
    case model::SpanKind::kConsumer:
      names.topic = first_of(span, kDestinationSlots);
      names.receives_or_settles = operation == "receive" || operation == "settle";
      break;
    case model::SpanKind::kProducer:
      name_topic(span, names);
      break;
    case model::SpanKind::kClient:
      name_database(span, names);
      if (names.database.empty() && is_sending(operation)) name_topic(span, names);
      if (!any_of(span, kDatabaseSlots) && !any_of(span, kMessagingSlots)) names.peer = peer_of(span);
      break;
    default:
      name_endpoint(span, names);
      name_database(span, names);
      if (names.database.empty() && is_sending(operation)) name_topic(span, names);
  }
  return names;
}

}  // namespace testmesh::discovery
