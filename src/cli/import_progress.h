// A progress bar, on terminals only.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <ostream>
#include <string>

#include "cli/run_cli.h"
#include "cli/text.h"

namespace testmesh::cli {

class Progress {
 public:
  explicit Progress(Terminal& terminal) : terminal_(terminal) {}
  ~Progress() { clear(); }

  void show(const std::string& file, uint64_t consumed, uint64_t size, uint64_t spans) {
    if (!terminal_.progress) return;
    const auto now = std::chrono::steady_clock::now();
    if (shown_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    shown_ = true;
    constexpr unsigned kBarColumns = 30;
    const double share = size == 0 ? 1.0 : static_cast<double>(consumed) / static_cast<double>(size);
    std::string bar;
    for (unsigned i = 0; i < kBarColumns; ++i) bar += i < share * kBarColumns ? "█" : "░";
    terminal_.err << fmt::format("\r\x1b[K{} {:3.0f} % {} {} spans", bar, share * 100,
                                 cut_front(printable(file), 30), spans)
                  << std::flush;
  }
  void clear() {
    if (shown_) terminal_.err << "\r\x1b[K" << std::flush;
    shown_ = false;
  }

 private:
  Terminal& terminal_;
  std::chrono::steady_clock::time_point last_;
  bool shown_ = false;
};

}  // namespace testmesh::cli
