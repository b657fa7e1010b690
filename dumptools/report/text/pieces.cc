// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/pieces.h"

#include <fmt/format.h>

#include <ctime>

namespace hmem::report {
namespace {

constexpr uint64_t kNsPerS = 1'000'000'000;

std::string_view SeverityWord(v1::Finding::Severity severity) {
  switch (severity) {
    case v1::Finding::SEVERITY_ERROR:
      return "error";
    case v1::Finding::SEVERITY_LOSS:
      return "loss";
    default:
      return "info";
  }
}

}  // namespace

std::string Printable(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const bool layout = byte == '\n' || byte == '\t';
    if ((byte < 0x20 && !(layout && lines == Lines::kMany)) || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (byte == 0xc2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) < 0xa0) {
      // U+0080 to U+009F are control characters too.
      out += fmt::format("\\xc2\\x{:02x}", static_cast<uint8_t>(text[++i]));
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string AddressText(uint64_t address) { return fmt::format("{:#018x}", address); }

std::string FrameText(const v1::Frame& frame) {
  if (frame.symbol().empty()) return AddressText(frame.pc());
  std::string text =
      fmt::format("{}+{:#x}/{:#x}", Printable(frame.symbol()), frame.offset(), frame.symbol_size());
  if (!frame.module().empty()) text += fmt::format(" [{}]", Printable(frame.module()));
  return text;
}

std::string DurationText(uint64_t ns) {
  const uint64_t seconds = ns / kNsPerS;
  if (seconds < 3600) return fmt::format("{}.{:06} s", seconds, ns % kNsPerS / 1000);
  return fmt::format("{} d {:02}:{:02}:{:02}", seconds / 86400, seconds / 3600 % 24,
                     seconds / 60 % 60, seconds % 60);
}

std::string DateText(int64_t unix_seconds) {
  const time_t time = unix_seconds;
  tm parts{};
  char text[64];
  if (unix_seconds == 0 || gmtime_r(&time, &parts) == nullptr ||
      strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
    return "unknown";
  }
  return text;
}

std::string BytesText(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string LogLineText(const v1::LogRecord& record) {
  std::string stamp =
      fmt::format("[{:5}.{:06}] ", record.time_ns() / kNsPerS, record.time_ns() % kNsPerS / 1000);
  std::string out = stamp;
  for (char c : Printable(record.text(), Lines::kMany)) {
    out += c;
    if (c == '\n') out.append(stamp.size(), ' ');
  }
  return out;
}

std::string TaskText(const v1::Task& task) {
  std::string comm = task.comm().empty() ? "?" : Printable(task.comm());
  if (task.pid() == 0) return comm + " (idle)";
  if (task.tgid() != 0 && task.tgid() != task.pid()) {
    return fmt::format("{} (pid {}, thread of {})", comm, task.pid(), task.tgid());
  }
  return fmt::format("{} (pid {})", comm, task.pid());
}

std::string Heading(std::string_view heading) { return fmt::format("\n{}\n", heading); }

std::string Row(std::string_view label, std::string_view value) {
  if (value.empty()) return {};
  return fmt::format("  {:<14} {}\n", label, Printable(value));
}

std::string StackText(const v1::Stack& stack, std::string_view indent, int mark, int first) {
  std::string out;
  for (int i = first; i < stack.frames_size(); ++i) {
    const v1::Frame& frame = stack.frames(i);
    out += fmt::format("{}#{:<3} {}{}{}{}\n", indent, i, frame.guessed() ? "? " : "",
                       FrameText(frame), frame.interrupted() ? "  (interrupted here)" : "",
                       i == mark ? "  <-- failed here" : "");
  }
  if (!stack.end_reason().empty())
    out += fmt::format("{}(ends early: {})\n", indent, Printable(stack.end_reason()));
  if (stack.frames_size() == 0 && stack.end_reason().empty())
    out += fmt::format("{}(no stack)\n", indent);
  return out;
}

std::string RegistersText(const google::protobuf::RepeatedPtrField<v1::Register>& registers,
                          std::string_view indent) {
  std::string out;
  int column = 0;
  for (const v1::Register& reg : registers) {
    out += column == 0 ? std::string(indent) : "  ";
    out += fmt::format("{:>7} {:016x}", Printable(reg.name()), reg.value());
    if (++column == 4) {
      out += '\n';
      column = 0;
    }
  }
  if (column != 0) out += '\n';
  return out;
}

std::string FindingsText(const google::protobuf::RepeatedPtrField<v1::Finding>& findings) {
  std::string out;
  for (v1::Finding::Severity severity :
       {v1::Finding::SEVERITY_ERROR, v1::Finding::SEVERITY_LOSS, v1::Finding::SEVERITY_INFO,
        v1::Finding::SEVERITY_UNSPECIFIED}) {
    for (const v1::Finding& finding : findings) {
      if (finding.severity() != severity) continue;
      out += fmt::format("  {:<5} {}", SeverityWord(finding.severity()), Printable(finding.text()));
      if (finding.count() > 1) out += fmt::format(" ({} times)", finding.count());
      std::string places;
      for (const std::string& place : finding.places()) {
        // A finding's text often names its only place already.
        if (finding.text().find(place) != std::string::npos) continue;
        places += (places.empty() ? " at " : ", ") + Printable(place);
      }
      out += fmt::format("{} [{}]\n", places, Printable(finding.id()));
    }
  }
  if (out.empty()) return out;
  return Heading("FINDINGS") + out;
}

}  // namespace hmem::report
