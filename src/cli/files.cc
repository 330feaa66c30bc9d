#include "cli/files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;

bool is_url(const std::string& path) { return path.starts_with("http://") || path.starts_with("https://"); }

Result<std::string> read_all(std::istream& in, const std::string& name) {
  std::string content;
  char block[1 << 16];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    content.append(block, static_cast<size_t>(in.gcount()));
    if (content.size() > kMostDocumentBytes)
      return base::fail(ErrorCode::kTooLarge,
                        fmt::format("{} is larger than {} MiB, which is more than the server takes", name,
                                    kMostDocumentBytes >> 20));
  }
  if (in.bad()) return base::fail(ErrorCode::kInvalidArgument, fmt::format("Cannot read {}", name));
  return content;
}

}  // namespace

Result<std::string> read_document(Program& program, const std::string& path) {
  if (is_url(path))
    return wrong_usage(program,
                       fmt::format("Nothing is fetched here; send the document instead, with `-` for "
                                   "what comes through the pipe:\n  curl -fsS {} | testmesh … -",
                                   path));
  if (path == "-") {
    if (!program.terminal.in) return std::string();
    return read_all(*program.terminal.in, "standard input");
  }
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return base::fail(ErrorCode::kInvalidArgument, fmt::format("{} is a directory, not a document", path));
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return base::fail(ErrorCode::kInvalidArgument,
                      fmt::format("Cannot open {}: {}", path, std::strerror(errno)));
  return read_all(in, path);
}

Result<void> write_file(const std::string& path, const std::string& content) {
  const auto failed = [&](const char* what) {
    return base::fail(ErrorCode::kInvalidArgument,
                      fmt::format("Cannot {} {}: {}", what, path, std::strerror(errno)));
  };
  // Not a regular file (/dev/stdout, a pipe): there is nothing to put in its place.
  std::error_code error;
  const bool other = std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error);
  const std::string target = other ? path : fmt::format("{}.{}.tmp", path, getpid());
  std::ofstream out(target, std::ios::binary | std::ios::trunc);
  if (!out) return failed("write");
  out << content;
  out.close();
  if (out && !other && std::rename(target.c_str(), path.c_str()) == 0) return {};
  if (out && other) return {};
  const auto problem = failed("write");
  if (!other) std::filesystem::remove(target, error);
  return problem;
}

}  // namespace testmesh::cli
