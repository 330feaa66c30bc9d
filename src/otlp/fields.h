// Field numbers of the OTLP trace messages.
#pragma once

#include <cstdint>

namespace testmesh::otlp {

// ExportTraceServiceRequest, TracesData: the same shape.
namespace request_field {
inline constexpr uint32_t kResourceSpans = 1;
}
namespace resource_spans_field {
inline constexpr uint32_t kResource = 1, kScopeSpans = 2, kSchemaUrl = 3;
}
namespace resource_field {
inline constexpr uint32_t kAttributes = 1, kDroppedAttributesCount = 2;
}
namespace scope_spans_field {
inline constexpr uint32_t kScope = 1, kSpans = 2, kSchemaUrl = 3;
}
namespace scope_field {
inline constexpr uint32_t kName = 1, kVersion = 2, kAttributes = 3, kDroppedAttributesCount = 4;
}
namespace span_field {
inline constexpr uint32_t kTraceId = 1, kSpanId = 2, kTraceState = 3, kParentSpanId = 4, kName = 5, kKind = 6,
                          kStart = 7, kEnd = 8, kAttributes = 9, kDroppedAttributesCount = 10, kEvents = 11,
                          kDroppedEventsCount = 12, kLinks = 13, kDroppedLinksCount = 14, kStatus = 15,
                          kFlags = 16;
}
namespace event_field {
inline constexpr uint32_t kTime = 1, kName = 2, kAttributes = 3, kDroppedAttributesCount = 4;
}
namespace link_field {
inline constexpr uint32_t kTraceId = 1, kSpanId = 2, kTraceState = 3, kAttributes = 4,
                          kDroppedAttributesCount = 5, kFlags = 6;
}
namespace status_field {
inline constexpr uint32_t kMessage = 2, kCode = 3;  // 1 is retired
}
namespace key_value_field {
inline constexpr uint32_t kKey = 1, kValue = 2;
}
namespace any_value_field {
inline constexpr uint32_t kString = 1, kBool = 2, kInt = 3, kDouble = 4, kArray = 5, kKvlist = 6, kBytes = 7;
}
namespace list_field {  // ArrayValue, KeyValueList
inline constexpr uint32_t kValues = 1;
}

}  // namespace testmesh::otlp
