// SPDX-License-Identifier: GPL-2.0-or-later
// Short text to log records and stacks, for tests that reason over them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dumptools/walk/printk.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::firstfailure {

// One record a line, a millisecond apart, sequences from `first_sequence`.
inline std::vector<walk::LogRecord> LogOf(std::vector<std::string> lines,
                                          uint64_t first_sequence = 0) {
  std::vector<walk::LogRecord> log;
  for (std::string& line : lines) {
    walk::LogRecord record;
    record.sequence = first_sequence + log.size();
    record.time_ns = 1'000'000'000 + log.size() * 1'000'000;
    record.level = 4;
    record.text = std::move(line);
    log.push_back(std::move(record));
  }
  return log;
}

// "name", "name [module]", "name !" (interrupted here), "name [module] !"; "-" is a frame without
// symbol.
inline v1::Stack StackOf(const std::vector<std::string>& frames) {
  v1::Stack stack;
  for (std::string_view text : frames) {
    v1::Frame& frame = *stack.add_frames();
    frame.set_pc(0xffffffff81000000 + static_cast<uint64_t>(stack.frames_size()) * 0x1000);
    frame.set_exact(stack.frames_size() == 1);
    if (text.ends_with(" !")) {
      frame.set_interrupted(true);
      frame.set_exact(true);
      text.remove_suffix(2);
    }
    if (size_t open = text.find(" ["); open != std::string_view::npos) {
      frame.set_module(std::string(text.substr(open + 2, text.size() - open - 3)));
      text = text.substr(0, open);
    }
    if (text != "-") frame.set_symbol(std::string(text));
  }
  return stack;
}

// A record of one crashed CPU, number 1.
inline v1::FirstFailure RecordOf(const std::vector<std::string>& frames) {
  v1::FirstFailure record;
  record.set_crashed_cpu(1);
  v1::Cpu& cpu = *record.add_cpus();
  cpu.set_number(1);
  cpu.set_online(true);
  cpu.set_crashed(true);
  *cpu.mutable_stack() = StackOf(frames);
  return record;
}

}  // namespace hmem::firstfailure
