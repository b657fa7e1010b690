// SPDX-License-Identifier: GPL-2.0-or-later
// One run from "capture kernel up" to "rebooting": mounts, modules, target, ladder, ending.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture-kernel/init/capture_directory.h"
#include "capture-kernel/init/child.h"
#include "capture-kernel/init/clock.h"
#include "capture-kernel/init/console.h"
#include "capture-kernel/init/fault.h"
#include "capture-kernel/init/ladder.h"
#include "capture-kernel/init/memory_account.h"
#include "capture-kernel/init/old_memory.h"
#include "capture-kernel/init/watchdog.h"
#include "capture-kernel/plan/capture_plan.h"
#include "hmem/base/result.h"

namespace hmem::init {

class CaptureRun : private StageRunner {
 public:
  explicit CaptureRun(Console* console) : console_(console) {}

  // Everything but the ending; never fails, says what did.
  plan::FinalAction Run();

 private:
  Status MountKernelFileSystems();
  void ReadPlan();
  // Loads hmem.ko and looks for the ways to the old kernel's memory; false when there is none.
  bool FindOldMemory();
  void LoadDeviceModules();
  void LoadModules(const std::vector<plan::Module>& modules);
  Status PrepareTarget();
  Status MountTarget(const std::string& device);
  void StartWatchdog();
  void StartMoreCpus();
  // Work that may block in the kernel; kIo when it does not come back in time.
  Result<std::string> InChild(const std::function<Result<std::string>()>& work,
                              uint64_t deadline_ms);
  void Finish();
  void Tick();

  StageOutcome Run(Stage stage) override;
  bool RecordDurable() override;
  uint64_t StageDeadlineMs(Stage stage) const;
  void AnnounceRecord();
  std::string IdentityFile() const;
  // By its final name; false also when the target does not answer.
  bool HasOnTarget(std::string_view file);
  // True when it is durable now; says why not.
  bool SyncOnTarget(std::string_view file);
  void TidyAttempts(bool dump_is_whole);
  // How the running system will call a file of this crash.
  std::string NameOnTarget(std::string_view file) const;

  Console* console_;
  Timeline timeline_;
  MemoryAccount memory_;
  std::optional<Watchdog> watchdog_;  // once /dev is there
  plan::CapturePlan plan_;
  bool plan_read_ = false;
  std::string device_node_;                    // "/dev/vda1"
  std::optional<CaptureDirectory> directory_;  // a file-system target that is mounted
  bool record_durable_ = false;
  int attempts_ = 0;
  OldMemory old_memory_;
  uint64_t end_by_ms_ = 0;
  Faults faults_;
};

}  // namespace hmem::init
