#include "store/embedded/append_log.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/varint.h"

namespace testmesh::store {
namespace {
constexpr size_t kHeader = 12;  // size 4 · XXH3 8
}

base::Result<AppendLog> AppendLog::open(const std::string& path,
                                        const std::function<base::Result<void>(std::string_view)>& visit) {
  AppendLog log;
  TRY_ASSIGN(log.file_, File::open(path, File::Mode::kReadWrite));
  TRY_ASSIGN(const uint64_t size, log.file_.size());
  TRY_ASSIGN(const std::string bytes, log.file_.read_at(0, size));
  while (log.size_ + kHeader <= size) {
    const char* head = bytes.data() + log.size_;
    const auto block_size = base::load_fixed<uint32_t>(head);
    if (block_size > size - log.size_ - kHeader) break;
    const std::string_view block(head + kHeader, block_size);
    if (XXH3_64bits(block.data(), block.size()) != base::load_fixed<uint64_t>(head + 4)) break;
    TRY(visit(block));
    log.size_ += kHeader + block_size;
  }
  if (log.size_ != size) TRY(log.file_.truncate(log.size_));
  return log;
}

base::Result<void> AppendLog::append(std::string_view block) {
  std::string bytes;
  base::append_fixed(bytes, static_cast<uint32_t>(block.size()));
  base::append_fixed(bytes, XXH3_64bits(block.data(), block.size()));
  bytes += block;
  TRY(file_.write_at(size_, bytes));
  size_ += bytes.size();
  return {};
}

}  // namespace testmesh::store
