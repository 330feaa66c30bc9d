// Trace files of other tools, as OTLP protobuf requests: what `import` and
// `analyze` read.
//
// Detected by content, never by name, each plain or as gzip or zstd:
//   OTLP protobuf      a request, several one after the other, or each behind a
//                      four-byte big-endian length (the Collector's file exporter)
//   OTLP JSON          documents one after the other: one, or one a line
//   Jaeger JSON        {"data": […]} as its UI exports, a trace, a list of traces
//   Zipkin JSON v2     a list of spans, of traces, or a span a line
// Compressed files, protobuf and lines are streamed; one JSON document may have
// 1 GiB and takes several times its size while it is read. Documents of
// metrics, logs and profiles are passed over and counted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace testmesh::otlp {

enum class ImportFormat : uint8_t { kUnknown, kOtlpProtobuf, kOtlpJson, kJaegerJson, kZipkinJson };
std::string_view to_string(ImportFormat format);

struct ImportSummary {
  ImportFormat format = ImportFormat::kUnknown;  // of the first document; kUnknown: the file is empty
  uint64_t requests = 0;                         // handed over
  uint64_t rejected_spans =
      0;  // of Jaeger and Zipkin, with unreadable ids; OTLP's are the receiver's to judge
  uint64_t skipped_documents = 0;  // other signals
};

struct ImportCallbacks {
  // An OTLP protobuf request of at most ~4 MiB (a single span may be larger).
  // An error ends the import and comes back with the place in the file.
  std::function<base::Result<void>(std::string_view request)> request;
  // Bytes of the file consumed, as it is stored, and its size; may be empty.
  std::function<void(uint64_t consumed, uint64_t size)> progress;
};

// Blocking, on the caller's thread. Errors name the file, the format and the
// place; requests handed over before stay handed over.
base::Result<ImportSummary> import_file(const std::string& path, const ImportCallbacks& callbacks);

// The same from memory; `name` stands for the file in errors.
base::Result<ImportSummary> import_bytes(std::string_view bytes, const std::string& name,
                                         const ImportCallbacks& callbacks);

}  // namespace testmesh::otlp
