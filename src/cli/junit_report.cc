#include "cli/junit_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/text.h"

namespace testmesh::cli {
namespace {

// XML 1.0, production 2; surrogates are no UTF-8 to begin with.
bool allowed_in_xml(uint32_t code) {
  return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code != 0xfffe && code != 0xffff);
}

std::string_view reference_of(uint32_t code) {
  switch (code) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':  // of `]]>`, which must not stand in text
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&apos;";
    // Parsers turn these into blanks in attributes, and \r into \n anywhere.
    case '\t':
      return "&#9;";
    case '\n':
      return "&#10;";
    case '\r':
      return "&#13;";
    default:
      return {};
  }
}

std::string escaped(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.bytes == 0 || !allowed_in_xml(next.code)) {
      out += kReplacement;
    } else if (const std::string_view reference = reference_of(next.code);
               !reference.empty() && !(keep_lines && (next.code == '\n' || next.code == '\t'))) {
      out += reference;
    } else {
      out += text.substr(0, next.bytes);
    }
    text.remove_prefix(std::max<size_t>(next.bytes, 1));
  }
  return out;
}

std::string seconds_text(double seconds) {
  return fmt::format("{:.3f}", std::isfinite(seconds) && seconds > 0 ? seconds : 0.0);
}

struct Counts {
  size_t tests = 0, failures = 0, errors = 0, skipped = 0;
  double seconds = 0;
  void add(const Counts& more) {
    tests += more.tests;
    failures += more.failures;
    errors += more.errors;
    skipped += more.skipped;
    seconds += more.seconds;
  }
};

Counts counts_of(const JUnitSuite& suite) {
  Counts counts{.tests = suite.cases.size(), .seconds = suite.seconds};
  for (const JUnitCase& one : suite.cases) {
    counts.failures += one.outcome == JUnitOutcome::kFailed ? 1 : 0;
    counts.errors += one.outcome == JUnitOutcome::kError ? 1 : 0;
    counts.skipped += one.outcome == JUnitOutcome::kSkipped ? 1 : 0;
  }
  return counts;
}

class Writer {
 public:
  Writer() : out_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {}
  std::string take() { return std::move(out_); }

  Writer& open(std::string_view indent, std::string_view name) {
    out_ += fmt::format("{}<{}", indent, name);
    return *this;
  }
  Writer& attribute(std::string_view name, std::string_view value) {
    out_ += fmt::format(" {}=\"{}\"", name, escaped(value, false));
    return *this;
  }
  Writer& attribute(std::string_view name, size_t value) { return attribute(name, std::to_string(value)); }
  void close_empty() { out_ += "/>\n"; }
  void close_open() { out_ += ">\n"; }
  void close_around(std::string_view name, std::string_view text) {
    out_ += fmt::format(">{}</{}>\n", escaped(text, true), name);
  }
  void end(std::string_view indent, std::string_view name) { out_ += fmt::format("{}</{}>\n", indent, name); }

  void text_element(std::string_view indent, std::string_view name, std::string_view text) {
    if (!text.empty()) open(indent, name).close_around(name, text);
  }
  void properties(std::string_view indent, const JUnitProperties& properties) {
    if (properties.empty()) return;
    open(indent, "properties").close_open();
    for (const auto& [name, value] : properties)
      open(std::string(indent) + "  ", "property")
          .attribute("name", name)
          .attribute("value", value)
          .close_empty();
    end(indent, "properties");
  }

 private:
  std::string out_;
};

std::string_view element_of(JUnitOutcome outcome) {
  return outcome == JUnitOutcome::kFailed ? "failure" : outcome == JUnitOutcome::kError ? "error" : "skipped";
}

void write_case(Writer& xml, const JUnitCase& one) {
  xml.open("    ", "testcase").attribute("classname", one.classname).attribute("name", one.name);
  xml.attribute("time", seconds_text(one.seconds));
  const bool passed = one.outcome == JUnitOutcome::kPassed;
  if (passed && one.properties.empty() && one.system_out.empty() && one.system_err.empty())
    return xml.close_empty();
  xml.close_open();
  xml.properties("      ", one.properties);
  if (!passed) {
    const std::string_view element = element_of(one.outcome);
    xml.open("      ", element);
    if (!one.message.empty()) xml.attribute("message", one.message);
    // `skipped` has no type in the schemas.
    if (one.outcome != JUnitOutcome::kSkipped) xml.attribute("type", one.type.empty() ? element : one.type);
    one.text.empty() ? xml.close_empty() : xml.close_around(element, one.text);
  }
  xml.text_element("      ", "system-out", one.system_out);
  xml.text_element("      ", "system-err", one.system_err);
  xml.end("    ", "testcase");
}

void write_suite(Writer& xml, const JUnitSuite& suite, size_t position) {
  const Counts counts = counts_of(suite);
  xml.open("  ", "testsuite").attribute("name", suite.name).attribute("id", position);
  xml.attribute("tests", counts.tests).attribute("failures", counts.failures);
  xml.attribute("errors", counts.errors).attribute("skipped", counts.skipped);
  xml.attribute("time", seconds_text(counts.seconds));
  // The schemas know neither fraction nor zone.
  if (!suite.timestamp.empty()) xml.attribute("timestamp", suite.timestamp.substr(0, 19));
  xml.close_open();
  xml.properties("    ", suite.properties);
  for (const JUnitCase& one : suite.cases) write_case(xml, one);
  xml.text_element("    ", "system-out", suite.system_out);
  xml.text_element("    ", "system-err", suite.system_err);
  xml.end("  ", "testsuite");
}

}  // namespace

std::string xml_escaped(std::string_view text) { return escaped(text, false); }

std::string to_junit_xml(const JUnitReport& report) {
  Counts all;
  for (const JUnitSuite& suite : report.suites) all.add(counts_of(suite));
  Writer xml;
  xml.open("", "testsuites").attribute("name", report.name).attribute("tests", all.tests);
  xml.attribute("failures", all.failures).attribute("errors", all.errors);
  xml.attribute("time", seconds_text(all.seconds));
  xml.close_open();
  for (size_t i = 0; i < report.suites.size(); ++i) write_suite(xml, report.suites[i], i);
  xml.end("", "testsuites");
  return xml.take();
}

}  // namespace testmesh::cli
