// The document store on RocksDB: one directory, one process.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "store/document_store.h"

namespace testmesh::store {

// Opens the store in `directory`, creating both when missing. Memory stays
// small and bounded (8 MB of cache, 8 MB of unflushed writes).
//
// Every failure is a sentence: a directory that another server holds (with its
// pid), that cannot be written, that a newer version wrote, a full disk
// (kUnavailable: works again once there is room), damage (kCorrupt).
base::Result<std::unique_ptr<DocumentStore>> open_document_store(const std::filesystem::path& directory);

}  // namespace testmesh::store
