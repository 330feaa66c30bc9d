#include "discovery/db_operation.h"

#include <algorithm>
#include <array>

#include "discovery/slots.h"
#include "discovery/text_class.h"

namespace testmesh::discovery {
namespace {

// SQL and its relatives, Redis, MongoDB, Elasticsearch, DynamoDB, Cosmos DB,
// memcached. In order: searched by bisection.
constexpr std::string_view kWritingWords[] = {
    "add",
    "alter",
    "append",
    "batchwriteitem",
    "blmove",
    "blmpop",
    "blpop",
    "brpop",
    "brpoplpush",
    "bulk",
    "bulk_write",
    "bulkwrite",
    "bzpopmax",
    "bzpopmin",
    "cas",
    "comment",
    "copy",
    "create",
    "create_collection",
    "create_index",
    "create_indexes",
    "create_item",
    "createcollection",
    "createindex",
    "createindexes",
    "createtable",
    "decr",
    "decrby",
    "del",
    "delete",
    "delete_by_query",
    "delete_item",
    "delete_many",
    "delete_one",
    "deleteitem",
    "deletemany",
    "deleteone",
    "deletetable",
    "drop",
    "drop_collection",
    "drop_database",
    "drop_index",
    "drop_indexes",
    "dropcollection",
    "dropdatabase",
    "dropindex",
    "dropindexes",
    "expire",
    "expireat",
    "find_and_modify",
    "find_one_and_delete",
    "find_one_and_replace",
    "find_one_and_update",
    "findandmodify",
    "findoneanddelete",
    "findoneandreplace",
    "findoneandupdate",
    "flush_all",
    "flushall",
    "flushdb",
    "geoadd",
    "geosearchstore",
    "getdel",
    "getset",
    "grant",
    "hdel",
    "hexpire",
    "hincrby",
    "hincrbyfloat",
    "hmset",
    "hset",
    "hsetnx",
    "import",
    "incr",
    "incrby",
    "incrbyfloat",
    "index",
    "insert",
    "insert_many",
    "insert_one",
    "insertmany",
    "insertone",
    "json_set",
    "linsert",
    "lmove",
    "lmpop",
    "load",
    "lpop",
    "lpush",
    "lpushx",
    "lrem",
    "lset",
    "ltrim",
    "merge",
    "move",
    "mset",
    "msetnx",
    "patch_item",
    "persist",
    "pexpire",
    "pexpireat",
    "pfadd",
    "pfmerge",
    "prepend",
    "psetex",
    "put",
    "putitem",
    "refresh",
    "reindex",
    "remove",
    "rename",
    "renamecollection",
    "renamenx",
    "replace",
    "replace_item",
    "replace_one",
    "replaceone",
    "restore",
    "revoke",
    "rpop",
    "rpoplpush",
    "rpush",
    "rpushx",
    "sadd",
    "save",
    "sdiffstore",
    "set",
    "setbit",
    "setex",
    "setnx",
    "setrange",
    "sinterstore",
    "smove",
    "spop",
    "srem",
    "sunionstore",
    "touch",
    "transactwriteitems",
    "truncate",
    "unlink",
    "update",
    "update_by_query",
    "update_many",
    "update_one",
    "updateitem",
    "updatemany",
    "updateone",
    "updatetable",
    "upsert",
    "upsert_item",
    "xack",
    "xadd",
    "xautoclaim",
    "xclaim",
    "xdel",
    "xgroup",
    "xtrim",
    "zadd",
    "zdiffstore",
    "zincrby",
    "zinterstore",
    "zpopmax",
    "zpopmin",
    "zrangestore",
    "zrem",
    "zremrangebylex",
    "zremrangebyrank",
    "zremrangebyscore",
    "zunionstore",
};
static_assert(std::ranges::is_sorted(kWritingWords));
constexpr size_t kLongestWord = std::ranges::max(kWritingWords, {}, &std::string_view::size).size();

// A byte below 0x08 stands for digits where a text is kept split: part of the
// word.
bool is_word_part(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x08 || byte >= 0x80 || c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

void skip_to_word(std::string_view& text) {
  while (!text.empty()) {
    size_t skipped = 1;
    if (text.starts_with("/*")) {
      skipped = std::min(text.find("*/", 2), text.size() - 2) + 2;
    } else if (text.starts_with("--")) {
      skipped = std::min(text.find('\n'), text.size() - 1) + 1;
    } else if (is_word_part(text.front())) {
      return;
    }
    text.remove_prefix(std::min(skipped, text.size()));
  }
}

// The next word in lower case; empty: none, or longer than any that matters.
struct Word {
  std::array<char, kLongestWord> letters;
  size_t size = 0;
  std::string_view view() const { return {letters.data(), size}; }
};

Word take_word(std::string_view& text) {
  skip_to_word(text);
  Word word;
  size_t size = 0;
  for (; size < text.size() && is_word_part(text[size]); ++size)
    if (size < kLongestWord) word.letters[size] = to_lower(text[size]);
  text.remove_prefix(size);
  if (size <= kLongestWord) word.size = size;
  return word;
}

}  // namespace

bool is_writing_operation(std::string_view text) {
  text = text.substr(0, 4096);  // a comment may be longer than anything worth reading
  Word word = take_word(text);
  if (word.view() == "batch") word = take_word(text);
  return std::ranges::binary_search(kWritingWords, word.view());
}

bool tells_operation(Slot slot) {
  return std::ranges::find(kDbOperationSlots, slot) != std::ranges::end(kDbOperationSlots);
}

}  // namespace testmesh::discovery
