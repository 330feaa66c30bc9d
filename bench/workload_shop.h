// The made-up shop as data: its services and the endpoints that traces enter by.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace testmesh::bench {

struct ServiceFacts {
  std::string_view name, language, version;
  std::string_view database_system, database;
};

constexpr std::array<ServiceFacts, 20> kServices = {{
    {"api-gateway", "go", "2.14.1", "", ""},
    {"web-frontend", "nodejs", "5.3.0", "redis", "sessions"},
    {"mobile-bff", "nodejs", "3.9.2", "redis", "sessions"},
    {"auth", "java", "1.22.0", "postgresql", "auth"},
    {"users", "java", "4.1.7", "postgresql", "users"},
    {"catalog", "java", "6.0.3", "mongodb", "catalog"},
    {"search", "python", "2.2.8", "elasticsearch", "products"},
    {"cart", "dotnet", "3.0.12", "redis", "carts"},
    {"checkout", "java", "7.4.0", "postgresql", "checkout"},
    {"orders", "java", "8.1.1", "postgresql", "orders"},
    {"payments", "java", "2.7.5", "postgresql", "payments"},
    {"inventory", "go", "1.18.4", "mysql", "inventory"},
    {"shipping", "go", "1.9.0", "postgresql", "shipping"},
    {"notifications", "python", "0.31.2", "postgresql", "notifications"},
    {"recommendations", "python", "3.3.3", "redis", "features"},
    {"reviews", "nodejs", "1.6.6", "mongodb", "reviews"},
    {"pricing", "go", "4.4.4", "mysql", "pricing"},
    {"loyalty", "dotnet", "1.1.9", "mysql", "loyalty"},
    {"fraud", "python", "5.0.1", "redis", "signals"},
    {"analytics", "java", "2.0.0", "clickhouse", "events"},
}};

// What an endpoint does before it answers (workload_flows.cc).
enum class Recipe : uint8_t { kRead, kList, kWrite, kFanOut, kLogin, kPurchase, kLoop };

struct Endpoint {
  std::string_view edge;     // where the trace starts
  std::string_view service;  // who answers
  std::string_view method, route, path, table;
  Recipe recipe;
  std::string_view helper, second_helper;
  uint32_t weight;
};

constexpr std::array<Endpoint, 42> kEndpoints = {{
    {"api-gateway", "orders", "GET", "/api/v1/orders/{orderId}", "/api/v1/orders/{order}", "orders",
     Recipe::kRead, "shipping", "users", 12},
    {"api-gateway", "orders", "GET", "/api/v1/customers/{customerId}/orders",
     "/api/v1/customers/{customer}/orders", "orders", Recipe::kList, "users", "pricing", 9},
    {"api-gateway", "orders", "POST", "/api/v1/orders", "/api/v1/orders", "orders", Recipe::kPurchase,
     "payments", "inventory", 8},
    {"api-gateway", "orders", "DELETE", "/api/v1/orders/{orderId}", "/api/v1/orders/{order}", "orders",
     Recipe::kWrite, "payments", "notifications", 2},
    {"api-gateway", "orders", "PATCH", "/api/v1/orders/{orderId}/address", "/api/v1/orders/{order}/address",
     "orders", Recipe::kWrite, "shipping", "notifications", 2},
    {"web-frontend", "catalog", "GET", "/products/{sku}", "/products/{sku}", "products", Recipe::kFanOut,
     "pricing", "reviews", 20},
    {"web-frontend", "catalog", "GET", "/categories/{categoryId}", "/categories/{sku}", "categories",
     Recipe::kLoop, "pricing", "inventory", 14},
    {"web-frontend", "search", "GET", "/search", "/search", "products", Recipe::kFanOut, "catalog",
     "recommendations", 16},
    {"web-frontend", "search", "GET", "/suggest", "/suggest", "suggestions", Recipe::kRead, "catalog",
     "users", 10},
    {"web-frontend", "cart", "GET", "/cart", "/cart", "carts", Recipe::kRead, "pricing", "inventory", 12},
    {"web-frontend", "cart", "POST", "/cart/items", "/cart/items", "carts", Recipe::kWrite, "inventory",
     "analytics", 8},
    {"web-frontend", "cart", "DELETE", "/cart/items/{itemId}", "/cart/items/{sku}", "carts", Recipe::kWrite,
     "inventory", "analytics", 3},
    {"web-frontend", "checkout", "POST", "/checkout", "/checkout", "sessions", Recipe::kPurchase, "payments",
     "orders", 6},
    {"web-frontend", "checkout", "GET", "/checkout/{sessionId}", "/checkout/{session}", "sessions",
     Recipe::kRead, "cart", "pricing", 5},
    {"web-frontend", "auth", "POST", "/login", "/login", "credentials", Recipe::kLogin, "users", "fraud", 5},
    {"web-frontend", "reviews", "POST", "/products/{sku}/reviews", "/products/{sku}/reviews", "reviews",
     Recipe::kWrite, "users", "analytics", 2},
    {"web-frontend", "reviews", "GET", "/products/{sku}/reviews", "/products/{sku}/reviews", "reviews",
     Recipe::kList, "users", "catalog", 8},
    {"mobile-bff", "catalog", "GET", "/m/products/{sku}", "/m/products/{sku}", "products", Recipe::kFanOut,
     "pricing", "recommendations", 14},
    {"mobile-bff", "catalog", "GET", "/m/home", "/m/home", "collections", Recipe::kFanOut, "recommendations",
     "loyalty", 12},
    {"mobile-bff", "search", "GET", "/m/search", "/m/search", "products", Recipe::kList, "catalog", "pricing",
     9},
    {"mobile-bff", "cart", "PUT", "/m/cart/{cartId}", "/m/cart/{cart}", "carts", Recipe::kWrite, "pricing",
     "analytics", 5},
    {"mobile-bff", "checkout", "POST", "/m/checkout", "/m/checkout", "sessions", Recipe::kPurchase,
     "payments", "fraud", 4},
    {"mobile-bff", "auth", "POST", "/m/token", "/m/token", "tokens", Recipe::kLogin, "users", "fraud", 6},
    {"mobile-bff", "users", "GET", "/m/me", "/m/me", "profiles", Recipe::kRead, "loyalty", "orders", 9},
    {"mobile-bff", "users", "PATCH", "/m/me", "/m/me", "profiles", Recipe::kWrite, "auth", "notifications",
     1},
    {"mobile-bff", "loyalty", "GET", "/m/points", "/m/points", "balances", Recipe::kList, "orders", "users",
     4},
    {"mobile-bff", "notifications", "GET", "/m/inbox", "/m/inbox", "messages", Recipe::kList, "users",
     "orders", 5},
    {"api-gateway", "users", "GET", "/api/v1/users/{userId}", "/api/v1/users/{customer}", "profiles",
     Recipe::kRead, "loyalty", "auth", 8},
    {"api-gateway", "users", "POST", "/api/v1/users", "/api/v1/users", "profiles", Recipe::kWrite, "auth",
     "notifications", 2},
    {"api-gateway", "users", "DELETE", "/api/v1/users/{userId}", "/api/v1/users/{customer}", "profiles",
     Recipe::kWrite, "orders", "analytics", 1},
    {"api-gateway", "payments", "POST", "/api/v1/refunds", "/api/v1/refunds", "refunds", Recipe::kWrite,
     "orders", "notifications", 2},
    {"api-gateway", "payments", "GET", "/api/v1/payments/{paymentId}", "/api/v1/payments/{session}",
     "payments", Recipe::kRead, "orders", "fraud", 4},
    {"api-gateway", "shipping", "GET", "/api/v1/shipments/{shipmentId}", "/api/v1/shipments/{order}",
     "shipments", Recipe::kRead, "orders", "inventory", 6},
    {"api-gateway", "shipping", "POST", "/api/v1/shipments", "/api/v1/shipments", "shipments", Recipe::kWrite,
     "inventory", "notifications", 3},
    {"api-gateway", "inventory", "GET", "/api/v1/stock/{sku}", "/api/v1/stock/{sku}", "stock", Recipe::kRead,
     "catalog", "shipping", 10},
    {"api-gateway", "inventory", "POST", "/api/v1/stock/reservations", "/api/v1/stock/reservations",
     "reservations", Recipe::kLoop, "catalog", "pricing", 3},
    {"api-gateway", "pricing", "GET", "/api/v1/prices/{sku}", "/api/v1/prices/{sku}", "prices", Recipe::kRead,
     "loyalty", "catalog", 9},
    {"api-gateway", "pricing", "PUT", "/api/v1/prices/{sku}", "/api/v1/prices/{sku}", "prices",
     Recipe::kWrite, "catalog", "analytics", 1},
    {"api-gateway", "recommendations", "GET", "/api/v1/recommendations/{userId}",
     "/api/v1/recommendations/{customer}", "vectors", Recipe::kLoop, "catalog", "users", 7},
    {"api-gateway", "fraud", "POST", "/api/v1/screenings", "/api/v1/screenings", "signals", Recipe::kFanOut,
     "users", "payments", 3},
    {"api-gateway", "analytics", "POST", "/api/v1/events", "/api/v1/events", "events", Recipe::kWrite,
     "users", "recommendations", 10},
    {"api-gateway", "reviews", "GET", "/api/v1/reviews/{reviewId}", "/api/v1/reviews/{cart}", "reviews",
     Recipe::kRead, "users", "catalog", 4},
}};

}  // namespace testmesh::bench
