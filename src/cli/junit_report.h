// Results of checks or tests as JUnit XML, the shape that CI servers read
// (testsuites > testsuite > properties, testcase, system-out, system-err).
// A pure function of its input.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace testmesh::cli {

enum class JUnitOutcome {
  kPassed,
  kFailed,   // what was checked is not as it should be
  kError,    // it could not be checked
  kSkipped,  // it was not checked, on purpose
};

using JUnitProperties = std::vector<std::pair<std::string, std::string>>;

struct JUnitCase {
  std::string classname, name;  // together what CI servers follow from run to run: unique, stable
  double seconds = 0;
  JUnitOutcome outcome = JUnitOutcome::kPassed;
  std::string message;  // one line: why it did not pass
  std::string type;     // of a failure or error: "uncovered-flow", "assertion", …
  std::string text;     // of the same, several lines: the evidence
  JUnitProperties properties;
  std::string system_out, system_err;
};

struct JUnitSuite {
  std::string name;
  std::string timestamp;  // RFC 3339; empty: not said
  double seconds = 0;
  JUnitProperties properties;
  std::vector<JUnitCase> cases;
  std::string system_out, system_err;
};

struct JUnitReport {
  std::string name;
  std::vector<JUnitSuite> suites;
};

// Well-formed XML 1.0 in UTF-8 for every input: characters that XML cannot hold
// and bytes that are no UTF-8 become U+FFFD.
std::string to_junit_xml(const JUnitReport&);

// Text as it stands between tags or in an attribute's quotes.
std::string xml_escaped(std::string_view text);

}  // namespace testmesh::cli
