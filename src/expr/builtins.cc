#include "expr/builtins.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "expr/builtin_functions.h"

namespace testmesh::expr {
namespace {

constexpr uint8_t kAnyNumber = UINT8_MAX;
constexpr std::string_view kLists = "Lists and predicates", kCollections = "Lists and maps", kTexts = "Texts",
                           kNumbers = "Numbers", kConversions = "Conversions", kTimes = "Times and durations",
                           kBits = "Bits";

constexpr std::array kBuiltins = {
    Builtin{"all", kLists, "list, predicate", 2, 2, "a*", 'b',
            "Whether the predicate holds for every element.", "all([1, 2, 3], # > 0)", "true", nullptr,
            Predicate::kAll},
    Builtin{"any", kLists, "list, predicate", 2, 2, "a*", 'b', "Whether it holds for at least one.",
            "any([1, 2, 3], # > 2)", "true", nullptr, Predicate::kAny},
    Builtin{"none", kLists, "list, predicate", 2, 2, "a*", 'b', "Whether it holds for none.",
            "none([1, 2, 3], # > 3)", "true", nullptr, Predicate::kNoneOf},
    Builtin{"one", kLists, "list, predicate", 2, 2, "a*", 'b', "Whether it holds for exactly one.",
            "one([1, 2, 3], # > 1)", "false", nullptr, Predicate::kOne},
    Builtin{"filter", kLists, "list, predicate", 2, 2, "a*", 'a', "The elements for which it holds.",
            "filter(1..5, # % 2 == 1)", "[1,3,5]", nullptr, Predicate::kFilter},
    Builtin{"map", kLists, "list, predicate", 2, 2, "a*", 'a', "What the predicate gives for each element.",
            "map([{id: 1}, {id: 2}], .id)", "[1,2]", nullptr, Predicate::kMap},
    Builtin{"find", kLists, "list, predicate", 2, 2, "a*", '*',
            "The first element for which it holds, or nil.", "find(1..5, # > 2)", "3", nullptr,
            Predicate::kFind},
    Builtin{"findIndex", kLists, "list, predicate", 2, 2, "a*", 'i', "Its index, or nil.",
            "findIndex(['a', 'b'], # == 'b')", "1", nullptr, Predicate::kFindIndex},
    Builtin{"findLast", kLists, "list, predicate", 2, 2, "a*", '*',
            "The last element for which it holds, or nil.", "findLast(1..5, # > 2)", "5", nullptr,
            Predicate::kFindLast},
    Builtin{"findLastIndex", kLists, "list, predicate", 2, 2, "a*", 'i', "Its index, or nil.",
            "findLastIndex([1, 2, 1], # == 1)", "2", nullptr, Predicate::kFindLastIndex},
    Builtin{"count", kLists, "list, predicate?", 1, 2, "a*", 'i',
            "For how many it holds; of a list of bools, how many are true.", "count(1..5, # > 2)", "3",
            nullptr, Predicate::kCount},
    Builtin{"sum", kLists, "list, predicate?", 1, 2, "a*", '*',
            "The sum of the elements, or of what the predicate gives.", "sum([1, 2, 3.5])", "6.5", nullptr,
            Predicate::kSum},
    Builtin{"groupBy", kLists, "list, predicate", 2, 2, "a*", 'm',
            "A map from what the predicate gives to the elements.",
            "groupBy(['ab', 'cd', 'e'], len(#) == 2 ? 'two' : 'one')", R"({"two":["ab","cd"],"one":["e"]})",
            nullptr, Predicate::kGroupBy},
    Builtin{"sortBy", kLists, "list, predicate, order?", 2, 3, "a*s", 'a',
            "The elements in the order of what the predicate gives, 'asc' (the default) or 'desc'.",
            "sortBy([{n: 2}, {n: 1}], .n)", R"([{"n":1},{"n":2}])", nullptr, Predicate::kSortBy},
    Builtin{"reduce", kLists, "list, predicate, first?", 2, 3, "a**", '*',
            "Carries a value (#acc) through the list; without a first one it starts with the first element.",
            "reduce(1..4, #acc * #, 1)", "24", nullptr, Predicate::kReduce},

    Builtin{"len", kCollections, "value", 1, 1, "l", 'i',
            "The length of a list, map or text (in characters).", "len('größe')", "5", functions::len},
    Builtin{"first", kCollections, "list", 1, 1, "a", '*', "The first element, or nil.", "first([7, 8])", "7",
            functions::first},
    Builtin{"last", kCollections, "list", 1, 1, "a", '*', "The last element, or nil.", "last([])", "nil",
            functions::last},
    Builtin{"get", kCollections, "value, key", 2, 2, "l*", '*',
            "The element or member, or nil where there is none.", "get([1, 2], 5)", "nil", functions::get},
    Builtin{"take", kCollections, "list, n", 2, 2, "ai", 'a', "The first n elements.", "take([1, 2, 3], 2)",
            "[1,2]", functions::take},
    Builtin{"reverse", kCollections, "list", 1, 1, "a", 'a', "The elements backwards.", "reverse([1, 2, 3])",
            "[3,2,1]", functions::reverse},
    Builtin{"uniq", kCollections, "list", 1, 1, "a", 'a', "Each element once.", "uniq([1, 2, 1])", "[1,2]",
            functions::uniq},
    Builtin{"concat", kCollections, "list, list…", 1, kAnyNumber, "a", 'a', "The lists one after the other.",
            "concat([1], [2, 3])", "[1,2,3]", functions::concat},
    Builtin{"flatten", kCollections, "list", 1, 1, "a", 'a', "The elements of the lists in it, at any depth.",
            "flatten([1, [2, [3]]])", "[1,2,3]", functions::flatten},
    Builtin{"sort", kCollections, "list, order?", 1, 2, "as", 'a',
            "The elements in order, 'asc' (the default) or 'desc'.", "sort([2, 3, 1], 'desc')", "[3,2,1]",
            functions::sort},
    Builtin{"keys", kCollections, "map", 1, 1, "m", 'a', "The keys, in the order of the map.",
            "keys({a: 1, b: 2})", R"(["a","b"])", functions::keys},
    Builtin{"values", kCollections, "map", 1, 1, "m", 'a', "The values, in the order of the map.",
            "values({a: 1, b: 2})", "[1,2]", functions::values},
    Builtin{"toPairs", kCollections, "map", 1, 1, "m", 'a', "The entries as pairs.", "toPairs({a: 1})",
            R"([["a",1]])", functions::to_pairs},
    Builtin{"fromPairs", kCollections, "list", 1, 1, "a", 'm', "The map of such pairs.",
            "fromPairs([['a', 1]])", R"({"a":1})", functions::from_pairs},

    Builtin{"trim", kTexts, "text, characters?", 1, 2, "s", 's',
            "Without the spaces (or these characters) at both ends.", "trim('  a ')", "\"a\"",
            functions::trim},
    Builtin{"trimPrefix", kTexts, "text, prefix?", 1, 2, "s", 's',
            "Without the prefix (a space), if it has it.", "trimPrefix('v1.2', 'v')", "\"1.2\"",
            functions::trim_prefix},
    Builtin{"trimSuffix", kTexts, "text, suffix?", 1, 2, "s", 's',
            "Without the suffix (a space), if it has it.", "trimSuffix('a.go', '.go')", "\"a\"",
            functions::trim_suffix},
    Builtin{"upper", kTexts, "text", 1, 1, "s", 's', "In capitals.", "upper('straße 1')", "\"STRAßE 1\"",
            functions::upper},
    Builtin{"lower", kTexts, "text", 1, 1, "s", 's', "In small letters.", "lower('GET')", "\"get\"",
            functions::lower},
    Builtin{"split", kTexts, "text, separator, n?", 2, 3, "ssi", 'a',
            "The parts between separators, at most n.", "split('a,b,c', ',', 2)", R"(["a","b,c"])",
            functions::split},
    Builtin{"splitAfter", kTexts, "text, separator, n?", 2, 3, "ssi", 'a',
            "The same, each with its separator.", "splitAfter('a,b', ',')", R"(["a,","b"])",
            functions::split_after},
    Builtin{"replace", kTexts, "text, old, new, n?", 3, 4, "sssi", 's',
            "With every (or the first n) old replaced.", "replace('a-b-c', '-', '+', 1)", "\"a+b-c\"",
            functions::replace},
    Builtin{"repeat", kTexts, "text, n", 2, 2, "si", 's', "The text n times.", "repeat('ab', 3)",
            "\"ababab\"", functions::repeat},
    Builtin{"join", kTexts, "list, glue?", 1, 2, "as", 's', "The texts of the list in one.",
            "join(['a', 'b'], '/')", "\"a/b\"", functions::join},
    Builtin{"indexOf", kTexts, "text, part", 2, 2, "s", 'i', "The first place (in bytes) of the part, or -1.",
            "indexOf('abcb', 'b')", "1", functions::index_of},
    Builtin{"lastIndexOf", kTexts, "text, part", 2, 2, "s", 'i',
            "The last place (in bytes) of the part, or -1.", "lastIndexOf('abcb', 'b')", "3",
            functions::last_index_of},
    Builtin{"hasPrefix", kTexts, "text, prefix", 2, 2, "s", 'b', "As startsWith.",
            "hasPrefix('/api/x', '/api')", "true", functions::has_prefix},
    Builtin{"hasSuffix", kTexts, "text, suffix", 2, 2, "s", 'b', "As endsWith.",
            "hasSuffix('a.json', '.xml')", "false", functions::has_suffix},

    Builtin{"abs", kNumbers, "number", 1, 1, "n", '=', "Without its sign.", "abs(-2.5)", "2.5",
            functions::abs},
    Builtin{"ceil", kNumbers, "number", 1, 1, "n", 'f', "Rounded up, a float.", "ceil(1.2)", "2.0",
            functions::ceil},
    Builtin{"floor", kNumbers, "number", 1, 1, "n", 'f', "Rounded down, a float.", "floor(1.8)", "1.0",
            functions::floor},
    Builtin{"round", kNumbers, "number", 1, 1, "n", 'f', "Rounded, halves away from zero, a float.",
            "round(1.5)", "2.0", functions::round},
    Builtin{"max", kNumbers, "numbers or lists…", 1, kAnyNumber, "g", '*', "The largest number.",
            "max([1, 7], 3)", "7", functions::max},
    Builtin{"min", kNumbers, "numbers or lists…", 1, kAnyNumber, "g", '*', "The smallest number.",
            "min(3, 1.5)", "1.5", functions::min},
    Builtin{"mean", kNumbers, "numbers or lists…", 1, kAnyNumber, "g", '*', "The mean; of none 0.0.",
            "mean([1, 2, 6])", "3.0", functions::mean},
    Builtin{"median", kNumbers, "numbers or lists…", 1, kAnyNumber, "g", '*', "The median; of none 0.0.",
            "median([1, 2, 6])", "2.0", functions::median},

    Builtin{"type", kConversions, "value", 1, 1, "*", 's',
            "\"nil\", \"bool\", \"int\", \"float\", \"string\", \"array\", \"map\", \"span\", \"trace\", "
            "\"time.Time\" or "
            "\"time.Duration\".",
            "type(1.5)", "\"float\"", functions::type},
    Builtin{"int", kConversions, "value", 1, 1, "c", 'i', "Of a number (cut) or a text.", "int('42')", "42",
            functions::to_int},
    Builtin{"float", kConversions, "value", 1, 1, "c", 'f', "Of a number or a text.", "float('1.5')", "1.5",
            functions::to_float},
    Builtin{"string", kConversions, "value", 1, 1, "*", 's', "As text.", "string(1.0) + string([1, nil])",
            "\"1[1 <nil>]\"", functions::string},
    Builtin{"toJSON", kConversions, "value", 1, 1, "*", 's', "As JSON, indented.", "toJSON([1])",
            "\"[\\n  1\\n]\"", functions::to_json_text},
    Builtin{"fromJSON", kConversions, "text", 1, 1, "s", '*', "What the JSON says; its numbers are floats.",
            "fromJSON('{\"a\": [1]}')", R"({"a":[1.0]})", functions::from_json_text},
    Builtin{"toBase64", kConversions, "text", 1, 1, "s", 's', "In base64.", "toBase64('Hello')",
            "\"SGVsbG8=\"", functions::to_base64},
    Builtin{"fromBase64", kConversions, "text", 1, 1, "s", 's', "What the base64 says.",
            "fromBase64('SGVsbG8=')", "\"Hello\"", functions::from_base64},

    Builtin{"now", kTimes, "", 0, 0, "*", 't',
            "The time. It has methods: Year, Month, Day, Hour, Minute, Second, Nanosecond, "
            "Weekday, YearDay, Unix, UnixMilli, UnixMicro, UnixNano, Add, Sub, Before, After, Equal, Format, "
            "UTC, String.",
            "now().Year() > 2020", "true", functions::now},
    Builtin{"duration", kTimes, "text", 1, 1, "s", 'd',
            "Of \"1h30m\", \"250ms\"… It has methods: Hours, Minutes, Seconds, Milliseconds, Microseconds, "
            "Nanoseconds, String.",
            "duration('1h30m').Minutes()", "90.0", functions::duration},
    Builtin{"date", kTimes, "text, layout?, zone?", 1, 3, "s", 't',
            "The time of a text, laid out as RFC 3339, 822, 850, 1123, a day, a time of day, both, or as the "
            "layout shows "
            "2006-01-02 15:04:05. Without a zone it is UTC, and so is the only zone that may be named.",
            "date('2023-08-14') - date('2023-08-13')", "\"24h0m0s\"", functions::date},
    Builtin{"timezone", kTimes, "name", 1, 1, "s", 's', "A time zone for date(); UTC is the only one.",
            "timezone('UTC')", "\"UTC\"", functions::timezone},

    Builtin{"bitand", kBits, "a, b", 2, 2, "i", 'i', "a and b.", "bitand(6, 3)", "2", functions::bit_and},
    Builtin{"bitor", kBits, "a, b", 2, 2, "i", 'i', "a or b.", "bitor(6, 3)", "7", functions::bit_or},
    Builtin{"bitxor", kBits, "a, b", 2, 2, "i", 'i', "Either.", "bitxor(6, 3)", "5", functions::bit_xor},
    Builtin{"bitnand", kBits, "a, b", 2, 2, "i", 'i', "a without b.", "bitnand(6, 3)", "4",
            functions::bit_nand},
    Builtin{"bitnot", kBits, "a", 1, 1, "i", 'i', "The complement.", "bitnot(0)", "-1", functions::bit_not},
    Builtin{"bitshl", kBits, "a, n", 2, 2, "i", 'i', "Shifted left.", "bitshl(1, 4)", "16",
            functions::bit_shl},
    Builtin{"bitshr", kBits, "a, n", 2, 2, "i", 'i', "Shifted right, the sign kept.", "bitshr(-16, 2)", "-4",
            functions::bit_shr},
    Builtin{"bitushr", kBits, "a, n", 2, 2, "i", 'i', "Shifted right, zeros from the left.", "bitushr(16, 2)",
            "4", functions::bit_ushr},
};

}  // namespace

std::span<const Builtin> builtins() { return kBuiltins; }

const Builtin* find_builtin(std::string_view name) {
  static const auto* const by_name = [] {
    auto* map = new std::unordered_map<std::string_view, const Builtin*>;
    for (const Builtin& builtin : kBuiltins) map->emplace(builtin.name, &builtin);
    return map;
  }();
  const auto found = by_name->find(name);
  return found == by_name->end() ? nullptr : found->second;
}

std::string reference_page() {
  std::string out;
  std::string_view section;
  const auto cell = [&](std::string_view text) {
    for (const char c : text) {
      if (c == '|') out += '\\';
      out += c;
    }
  };
  for (const Builtin& builtin : kBuiltins) {
    if (builtin.section != section) {
      section = builtin.section;
      out += "\n### " + std::string(section) + "\n\n| function | | example | gives |\n|---|---|---|---|\n";
    }
    out += "| `" + std::string(builtin.name) + "(" + std::string(builtin.arguments) + ")` | ";
    cell(builtin.summary);
    out += " | `";
    cell(builtin.example);
    out += "` | `";
    cell(builtin.result);
    out += "` |\n";
  }
  return out;
}

}  // namespace testmesh::expr
