// A file of checksummed blocks, appended to and read back from the start; what
// is torn at its end is cut off on opening.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/embedded/file.h"

namespace testmesh::store {

class AppendLog {
 public:
  // `visit` sees every whole block, oldest first.
  static base::Result<AppendLog> open(const std::string& path,
                                      const std::function<base::Result<void>(std::string_view block)>& visit);
  base::Result<void> append(std::string_view block);  // durable after sync()
  base::Result<void> sync() const { return file_.sync(); }

 private:
  File file_;
  uint64_t size_ = 0;
};

}  // namespace testmesh::store
