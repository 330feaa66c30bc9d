// Spans for property tests, rich in what real ones rarely have together: every
// kind of value, empty and nested ones, zeros, NaN, unknown kinds and codes,
// high flag bits, dropped counts, shared resources and scopes. Every span is
// acceptable: ids unique and not zero, text valid UTF-8, never an end before
// the start. NaN is always the quiet one, the only one JSON can carry.
//
// Deterministic: the same generator state gives the same spans.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/span.h"

namespace testmesh::otlp::testing {

class RandomSpanSource {
 public:
  explicit RandomSpanSource(std::mt19937_64& random) : random_(random) {}

  std::vector<model::Span> spans(size_t count) {
    std::vector<std::shared_ptr<const model::Resource>> resources;
    std::vector<std::shared_ptr<const model::Scope>> scopes;
    for (size_t i = 0; i < 1 + count / 12; ++i)
      resources.push_back(std::make_shared<model::Resource>(resource()));
    for (size_t i = 0; i < 1 + count / 8; ++i) scopes.push_back(std::make_shared<model::Scope>(scope()));
    std::vector<model::TraceId> traces(1 + count / 6);
    for (model::TraceId& trace : traces) trace = some_id<model::TraceId>();
    std::vector<model::Span> made;
    made.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      const model::Span* before = made.empty() ? nullptr : &made[below(made.size())];
      model::Span next = span(before, traces);
      // The same resource by another pointer must make no difference.
      const auto& shared = resources[below(resources.size())];
      next.resource = one_in(10) ? std::make_shared<model::Resource>(*shared) : shared;
      next.scope = scopes[below(scopes.size())];
      made.push_back(std::move(next));
    }
    return made;
  }

  model::Value value(int depth = 0) {
    model::Value made;
    switch (below(depth < 3 ? 10 : 8)) {
      case 0:
        break;  // present and empty
      case 1:
        made.data = text();
        break;
      case 2:
        made.data = one_in(2);
        break;
      case 3:
        made.data = integer();
        break;
      case 4:
        made.data = real();
        break;
      case 5:
        made.data = model::Bytes{bytes()};
        break;
      case 6:
        made.data = std::string();
        break;
      case 7:
        made.data = static_cast<int64_t>(below(1000));
        break;
      case 8: {
        model::Array array;
        for (size_t i = below(4); i > 0; --i) array.values.push_back(value(depth + 1));
        made.data = std::move(array);
        break;
      }
      default: {
        model::KeyValueList list;
        list.values = attributes(3, depth + 1);
        made.data = std::move(list);
      }
    }
    return made;
  }

 private:
  uint64_t below(uint64_t limit) { return random_() % limit; }
  bool one_in(uint64_t n) { return below(n) == 0; }

  template <typename Id>
  Id some_id() {
    Id id;
    do {
      for (uint8_t& byte : id.bytes) byte = static_cast<uint8_t>(random_());
      // Some SDKs leave the upper half zero.
      if (id.bytes.size() == 16 && one_in(8))
        for (size_t i = 0; i < 8; ++i) id.bytes[i] = 0;
    } while (id.is_zero());
    return id;
  }

  std::string text() {
    static constexpr std::string_view kTexts[] = {"",
                                                  "GET",
                                                  "/api/v1/orders/{orderId}",
                                                  "Übergröße",
                                                  "日本語のスパン",
                                                  "🚀 launch",
                                                  "a\"b\\c/d",
                                                  "line\nbreak\ttab\r",
                                                  std::string_view("nul\0inside", 10),
                                                  "\x01\x1f\x7f",
                                                  "\xc2\x80\xe2\x80\xa8\xef\xbf\xbf",
                                                  "NaN",
                                                  "0",
                                                  "null",
                                                  "SELECT * FROM t WHERE a = 'x'",
                                                  "10.1.2.3:8080",
                                                  "\xf4\x8f\xbf\xbf"};
    std::string made(kTexts[below(std::size(kTexts))]);
    if (one_in(3)) made += std::to_string(below(100'000));
    if (one_in(40)) made.append(200 + below(20'000), 'x');
    return made;
  }

  std::string bytes() {
    std::string made(below(20), '\0');
    for (char& c : made) c = static_cast<char>(random_());
    return made;
  }

  int64_t integer() {
    static constexpr int64_t kIntegers[] = {0,
                                            1,
                                            -1,
                                            127,
                                            128,
                                            200,
                                            1LL << 31,
                                            1LL << 53,
                                            (1LL << 53) + 1,
                                            std::numeric_limits<int64_t>::max(),
                                            std::numeric_limits<int64_t>::min()};
    return one_in(2) ? kIntegers[below(std::size(kIntegers))] : static_cast<int64_t>(random_());
  }

  double real() {
    static constexpr double kReals[] = {0.0,
                                        -0.0,
                                        1.0,
                                        -1.5,
                                        0.1,
                                        1e21,
                                        1e-7,
                                        1e20,
                                        123456789.0,
                                        std::numeric_limits<double>::quiet_NaN(),
                                        std::numeric_limits<double>::infinity(),
                                        -std::numeric_limits<double>::infinity(),
                                        std::numeric_limits<double>::max(),
                                        std::numeric_limits<double>::denorm_min(),
                                        std::numeric_limits<double>::min()};
    return one_in(2) ? kReals[below(std::size(kReals))] : static_cast<double>(random_()) / 3e9;
  }

  uint32_t dropped() { return one_in(4) ? static_cast<uint32_t>(random_()) : 0; }

  std::vector<model::KeyValue> attributes(size_t most, int depth = 0) {
    static constexpr std::string_view kKeys[] = {
        "http.request.method",      "http.route", "url.path", "db.system.name",
        "messaging.system",         "user.id",    "",         "schlüssel",
        "http.response.status_code"};
    std::vector<model::KeyValue> made(below(most + 1));
    for (model::KeyValue& attribute : made) {
      // A key may come twice: nothing forbids it on the wire.
      attribute.key =
          one_in(4) ? "key." + std::to_string(below(50)) : std::string(kKeys[below(std::size(kKeys))]);
      attribute.value = value(depth);
    }
    return made;
  }

  model::Resource resource() {
    model::Resource made;
    made.attributes = attributes(4);
    if (!one_in(5))
      made.attributes.push_back({"service.name", {std::string("service-") + std::to_string(below(20))}});
    made.dropped_attributes_count = dropped();
    if (one_in(3)) made.schema_url = "https://opentelemetry.io/schemas/1." + std::to_string(below(40)) + ".0";
    return made;
  }

  model::Scope scope() {
    model::Scope made;
    if (!one_in(4)) made.name = text();
    if (one_in(2)) made.version = "1." + std::to_string(below(9));
    if (one_in(3)) made.attributes = attributes(3);
    made.dropped_attributes_count = dropped();
    if (one_in(4)) made.schema_url = text();
    return made;
  }

  model::Event event(base::UnixNanos near) {
    model::Event made;
    made.time = one_in(8) ? 0 : near + below(1'000'000);
    made.name = one_in(3) ? "exception" : text();
    made.attributes = attributes(4);
    made.dropped_attributes_count = dropped();
    return made;
  }

  model::Link link() {
    model::Link made;
    if (!one_in(10)) made.trace_id = some_id<model::TraceId>();
    if (!one_in(10)) made.span_id = some_id<model::SpanId>();
    if (one_in(4)) made.trace_state = "vendor=" + std::to_string(below(99));
    made.attributes = attributes(2);
    made.dropped_attributes_count = dropped();
    if (one_in(2)) made.flags = static_cast<uint32_t>(random_());
    return made;
  }

  model::Span span(const model::Span* before, const std::vector<model::TraceId>& traces) {
    static constexpr uint32_t kFlags[] = {0,     1,     0x100,       0x101,       0x300,
                                          0x301, 0x303, 0x80000000u, 0xffffffffu, 0x7c01};
    static constexpr int32_t kOddNumbers[] = {
        6, 7, 100, -1, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()};
    model::Span made;
    made.trace_id = traces[below(traces.size())];
    made.span_id = some_id<model::SpanId>();  // 64 random bits: unique
    if (before && !one_in(5)) {
      made.trace_id = before->trace_id;
      made.parent_span_id = before->span_id;
    } else if (one_in(6)) {
      made.parent_span_id = some_id<model::SpanId>();  // a parent that never arrives
    }
    if (one_in(5)) made.trace_state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
    made.flags = kFlags[below(std::size(kFlags))];
    made.name = text();
    made.kind = static_cast<model::SpanKind>(one_in(15) ? kOddNumbers[below(std::size(kOddNumbers))]
                                                        : static_cast<int32_t>(below(6)));
    made.start = one_in(30) ? below(3) : 1'764'000'000'000'000'000 + below(10'000'000'000);
    if (one_in(3)) made.start -= made.start % 1'000'000;  // clocks of whole milliseconds
    made.end = made.start + (one_in(6) ? 0 : below(2'000'000'000));
    if (one_in(40)) made.end = std::numeric_limits<uint64_t>::max();
    made.attributes = attributes(12);
    made.dropped_attributes_count = dropped();
    if (one_in(3))
      for (size_t i = below(4); i > 0; --i) made.events.push_back(event(made.start));
    made.dropped_events_count = dropped();
    if (one_in(4))
      for (size_t i = below(3); i > 0; --i) made.links.push_back(link());
    made.dropped_links_count = dropped();
    made.status = static_cast<model::StatusCode>(one_in(20) ? kOddNumbers[below(std::size(kOddNumbers))]
                                                            : static_cast<int32_t>(below(3)));
    if (one_in(4)) made.status_message = text();
    return made;
  }

  std::mt19937_64& random_;
};

inline std::vector<model::Span> random_spans(std::mt19937_64& random, size_t count) {
  return RandomSpanSource(random).spans(count);
}

}  // namespace testmesh::otlp::testing
