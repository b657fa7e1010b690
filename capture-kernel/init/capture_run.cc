// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/capture_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "capture-kernel/init/core_header.h"
#include "capture-kernel/init/ending.h"
#include "capture-kernel/init/kernel_modules.h"
#include "capture-kernel/init/more_cpus.h"
#include "capture-kernel/init/stage_command.h"
#include "capture-kernel/init/target_device.h"
#include "capture-kernel/plan/key_value_text.h"
#include "hmem/base/fd.h"

namespace hmem::init {
namespace {

constexpr std::string_view kMountPoint = "/mnt";
// Behind the stages' own deadlines: what PID 1 itself needs, killed children that take their time.
constexpr uint64_t kOverseerGraceSeconds = 60;
constexpr uint64_t kMountDeadlineMs = 60'000;
constexpr uint64_t kSyncDeadlineMs = 60'000;
constexpr uint64_t kTargetDeadlineMs = 15'000;  // small things: a directory, a rename, an fsync
constexpr uint64_t kModuleDeadlineMs = 30'000;
constexpr uint64_t kMoreCpusMs = 30'000;
// A dump ends by itself so long before it would be killed, or a quarter of its time: it has END and
// the next stage need not begin again.
constexpr uint64_t kEndingSeconds = 10;
constexpr uint64_t kMiB = 1 << 20;
// Left for the kernel and page cache when a child is given the rest of memory: MemAvailable has
// set aside already what the kernel keeps free.
constexpr uint64_t kMemoryReserveBytes = 4 * kMiB;
// The limit counts what is allotted, not what is touched. A record of a distribution's kernel needs
// some 20 MiB of that; with less memory than this the out-of-memory killer decides.
constexpr uint64_t kMinChildBytes = 24 * kMiB;
constexpr int kExitComplete = 0;
constexpr int kExitFailed = 1;
constexpr int kExitLosses = 3;

// When pages of one kind have to go among those of another, the kernel from then on keeps a block
// of pages, 2 or 4 MiB, more free (mm/page_alloc.c, boost_watermark()). That pays on machines that
// run for months; here hmemdump is killed for it.
void KeepLessFree() {
  auto fd = OpenFile("/proc/sys/vm/watermark_boost_factor", O_WRONLY);
  if (fd) (void)!::write(fd->get(), "0", 1);
}

uint64_t OwnPeakKib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss);
}

uint64_t ChildMemoryBytes() {
  uint64_t available = ReadMemoryInfo().available * 1024;
  return std::max(kMinChildBytes,
                  available > kMemoryReserveBytes ? available - kMemoryReserveBytes : 0);
}

}  // namespace

plan::FinalAction CaptureRun::Run() {
  timeline_.Mark("userland", "capture kernel up", UptimeNs());
  if (auto mounted = MountKernelFileSystems(); !mounted) console_->Say(mounted.error().ToString());
  memory_.Look(ReadMemoryInfo());
  KeepLessFree();
  watchdog_.emplace();
  console_->Say("capture kernel up");
  ReadPlan();
  if (!FindOldMemory()) return plan_.final_action;
  uint64_t total_s = plan_.TotalDeadline(old_memory_.bytes());
  end_by_ms_ = UptimeMs() + total_s * 1000;
  StartOverseer(total_s + plan_.deadlines.log_s + kSyncDeadlineMs / 1000 + kOverseerGraceSeconds);
  bool target_ready = false;
  if (plan_read_) {
    LoadModules(plan_.modules);
    timeline_.Mark("modules", "modules loaded", UptimeNs());
    StartWatchdog();
    auto prepared = PrepareTarget();
    target_ready = prepared.has_value();
    if (!prepared)
      console_->Say(fmt::format("stage target failed: {}", prepared.error().ToString()));
    timeline_.Mark("target", target_ready ? "target ready" : "no target", UptimeNs());
  }
  RunLadder(*this, target_ready);
  Finish();
  return plan_.final_action;
}

void CaptureRun::Tick() {
  if (watchdog_) watchdog_->Feed();
  memory_.Look(ReadMemoryInfo());
}

Status CaptureRun::MountKernelFileSystems() {
  struct KernelMount {
    const char* type;
    const char* point;
  };
  Status first;
  for (KernelMount m : {KernelMount{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}}) {
    // EBUSY: the kernel mounted /dev itself.
    if (::mount(m.type, m.point, m.type, MS_NOSUID | MS_NOEXEC, nullptr) != 0 && errno != EBUSY &&
        first) {
      first = FailErrno(fmt::format("mount {}", m.point), errno);
    }
  }
  return first;
}

void CaptureRun::ReadPlan() {
  auto text = ReadTextFile(std::string(plan::kInitConfPath), kMiB);
  auto parsed =
      text ? plan::ParseCapturePlan(*text, plan::kInitConfPath) : std::unexpected(text.error());
  if (parsed) {
    plan_ = *std::move(parsed);
    plan_read_ = true;
  } else {
    console_->Say(fmt::format("stage plan failed: {}", parsed.error().ToString()));
  }
  faults_ = FaultsToInject();
}

bool CaptureRun::FindOldMemory() {
  if (plan_.source != plan::SourceChoice::kVmcore) LoadDeviceModules();
  auto ask = [this](std::string_view path,
                    Result<uint64_t> (*bytes)(const std::string&)) -> Result<uint64_t> {
    auto in_child = [&]() -> Result<std::string> {
      HMEM_ASSIGN(uint64_t answer, bytes(std::string(path)));
      return std::to_string(answer);
    };
    HMEM_ASSIGN(std::string text, InChild(in_child, kTargetDeadlineMs));
    return plan::ParseNumber(text, 0, UINT64_MAX);
  };
  auto device = ask(kDevicePath, DeviceBytes);
  auto found = OldMemory::Choose(plan_.source, device, ask(kVmcorePath, VmcoreBytes));
  if (!found) {
    console_->Say(fmt::format("no old kernel's memory here: {}", found.error().ToString()));
    return false;
  }
  old_memory_ = *std::move(found);
  console_->Say(fmt::format("old memory: {}", old_memory_.Text()));
  return true;
}

// A stock kernel forgets where the core header is once /proc/vmcore has read it.
void CaptureRun::LoadDeviceModules() {
  if (plan_.device_modules.empty()) return;
  auto command_line = ReadTextFile("/proc/cmdline", kMiB);
  auto address =
      command_line ? CoreHeaderAddress(*command_line) : std::unexpected(command_line.error());
  if (!address) {
    console_->Say(fmt::format("hmem.ko is not loaded: {}", address.error().ToString()));
    return;
  }
  std::vector<plan::Module> modules = plan_.device_modules;
  std::string& options = modules.back().options;
  options += fmt::format("{}elfcorehdr={:#x}", options.empty() ? "" : " ", *address);
  LoadModules(modules);
}

void CaptureRun::LoadModules(const std::vector<plan::Module>& modules) {
  for (const plan::Module& module : modules) {
    auto load = [&]() -> Result<std::string> {
      HMEM_TRY(LoadModule(module.path, module.options));
      return "";
    };
    // A crc32c for another CPU says ENODEV; the target tells whether what is missing was needed.
    if (auto loaded = InChild(load, kModuleDeadlineMs); !loaded)
      console_->Say(Within(module.path, std::move(loaded)).error().ToString());
  }
}

// Its driver may be one of the modules.
void CaptureRun::StartWatchdog() {
  if (!watchdog_->present()) watchdog_.emplace();
  if (watchdog_->present()) console_->Say("watchdog: /dev/watchdog is fed");
}

// Another CPU of the dead kernel may do anything when it is woken, from nothing to resetting the
// machine: not before the record is safe, and each in a child.
void CaptureRun::StartMoreCpus() {
  if (plan_.dump_cpus == 0 || !record_durable_) return;
  auto states = ReadCpuStates("/sys");
  if (!states) return console_->Say(Within("more CPUs", std::move(states)).error().ToString());
  auto start = [this](uint64_t cpu, uint64_t may_take_ms) -> Status {
    auto work = [&]() -> Result<std::string> {
      ObeyFault(faults_, "cpu");
      HMEM_TRY(StartCpu("/sys", cpu));
      return "";
    };
    HMEM_TRY(InChild(work, may_take_ms));
    return {};
  };
  for (const std::string& failure :
       StartCpus(*states, plan_.dump_cpus, kMoreCpusMs, start, &UptimeMs))
    console_->Say(failure);
  timeline_.Mark("cpus", "more CPUs", UptimeNs());
}

Result<std::string> CaptureRun::InChild(const std::function<Result<std::string>()>& work,
                                        uint64_t deadline_ms) {
  return AskChild(work, deadline_ms, [this] { Tick(); });
}

Status CaptureRun::PrepareTarget() {
  const plan::Target& target = plan_.target;
  uint64_t deadline_ms = std::min(UptimeMs() + plan_.deadlines.target_s * 1000, end_by_ms_);
  HMEM_ASSIGN(FoundTarget found, WaitForTarget(target, deadline_ms, [this] { Tick(); }));
  device_node_ = "/dev/" + found.device.name;
  if (found.moved) {
    console_->Say(fmt::format("{}: found by UUID; armed at {}, now at {}", device_node_,
                              target.hardware_path, found.device.hardware_path));
  }
  if (target.kind == plan::Target::Kind::kPath) {
    HMEM_TRY(MountTarget(device_node_));
    std::string base = std::string(kMountPoint) + (target.directory == "/" ? "" : target.directory);
    auto create = [&]() -> Result<std::string> {
      HMEM_ASSIGN(CaptureDirectory made, CaptureDirectory::Create(base, std::time(nullptr)));
      return made.path();
    };
    HMEM_ASSIGN(std::string path, InChild(create, kTargetDeadlineMs));
    directory_.emplace(std::move(path));
    console_->Say(fmt::format("target ready: {} on {} ({})", NameOnTarget(""), device_node_,
                              target.file_system.type));
  } else {
    console_->Say(fmt::format("target ready: {}", device_node_));
  }
  return {};
}

// Both file systems refuse to mount for writing without replaying the journal, and read-only there
// is nothing to write: the ladder goes on without a target.
Status CaptureRun::MountTarget(const std::string& device) {
  const std::string& type = plan_.target.file_system.type;
  auto mount = [&]() -> Result<std::string> {
    ObeyFault(faults_, "mount");
    if (::mount(device.c_str(), std::string(kMountPoint).c_str(), type.c_str(),
                MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_NOATIME, nullptr) != 0) {
      return Fail(ErrorCode::kIo, ::strerrordesc_np(errno));
    }
    return "";
  };
  HMEM_TRY(Within(fmt::format("mount {} as {}", device, type), InChild(mount, kMountDeadlineMs)));
  return {};
}

std::string CaptureRun::NameOnTarget(std::string_view file) const {
  if (!directory_) return plan_.target.name;
  std::string name =
      fmt::format("{}/{}", plan_.target.name == "/" ? "" : plan_.target.name, directory_->name());
  return file.empty() ? name : fmt::format("{}/{}", name, file);
}

uint64_t CaptureRun::StageDeadlineMs(Stage stage) const {
  uint64_t now = UptimeMs();
  uint64_t left = end_by_ms_ > now ? end_by_ms_ - now : 0;
  uint64_t seconds = plan_.DumpDeadline(old_memory_.bytes());
  if (stage == Stage::kRecord || stage == Stage::kRecordAgain) seconds = plan_.deadlines.record_s;
  if (stage == Stage::kLog) return plan_.deadlines.log_s * 1000;  // short, and all that is left
  return std::min(seconds * 1000, left);
}

void CaptureRun::AnnounceRecord() {
  if (record_durable_) return;
  record_durable_ = true;
  console_->Say(fmt::format("record durable: {}", NameOnTarget(kRecordFile)));
  timeline_.Mark("record", "record durable", UptimeNs());
  ObeyFault(faults_, "record-said");
}

bool CaptureRun::HasOnTarget(std::string_view file) {
  auto look = [&]() -> Result<std::string> {
    bool there = file == kRecordFile ? directory_->HasRecord() : directory_->HasDump();
    return there ? "yes" : "no";
  };
  auto answer = InChild(look, kTargetDeadlineMs);
  if (answer) return *answer == "yes";
  console_->Say(fmt::format("{}: {}", NameOnTarget(file), answer.error().ToString()));
  return false;
}

// What a child that was killed left behind can be visible and still only in memory.
bool CaptureRun::SyncOnTarget(std::string_view file) {
  auto sync = [&]() -> Result<std::string> {
    HMEM_TRY(directory_->Sync(file));
    return "";
  };
  auto synced = InChild(sync, kTargetDeadlineMs);
  if (synced) return true;
  console_->Say(fmt::format("{}: not known to be durable: sync: {}", NameOnTarget(file),
                            synced.error().ToString()));
  return false;
}

bool CaptureRun::RecordDurable() {
  if (record_durable_ || !directory_ || !HasOnTarget(kRecordFile)) return record_durable_;
  if (SyncOnTarget(kRecordFile)) AnnounceRecord();
  return record_durable_;
}

// The identity file with the timeline so far, or the one of the initramfs.
std::string CaptureRun::IdentityFile() const {
  std::string armed(plan::kIdentityConfPath);
  std::string path(plan::kRunIdentityConfPath);
  auto text = ReadTextFile(armed, kMiB);
  if (!text) return armed;
  if (!text->ends_with('\n')) *text += '\n';
  *text += timeline_.IdentityLines();
  ::mkdir("/run", 0755);
  ::mkdir(path.substr(0, path.rfind('/')).c_str(), 0755);
  auto fd = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (!fd || !WriteAll(fd->get(), std::as_bytes(std::span(*text)), path)) return armed;
  return path;
}

// Of a dump with everything the attempts before it are of no more use; behind one that has less, or
// none, they may hold what it lacks.
void CaptureRun::TidyAttempts(bool dump_is_whole) {
  auto tidy = [&]() -> Result<std::string> {
    HMEM_TRY(dump_is_whole ? directory_->RemoveAttempts() : directory_->KeepAttempt(attempts_));
    return "";
  };
  if (!dump_is_whole) ++attempts_;
  if (auto tidied = InChild(tidy, kTargetDeadlineMs); !tidied)
    console_->Say(tidied.error().ToString());
}

StageOutcome CaptureRun::Run(Stage stage) {
  StageOutcome outcome;
  if (stage == Stage::kFull) StartMoreCpus();
  const bool dump_stage =
      stage == Stage::kFull || stage == Stage::kSingle || stage == Stage::kAddress;
  const bool record_stage = stage == Stage::kRecord || stage == Stage::kRecordAgain;
  ChildLimits limits;
  limits.deadline_ms = StageDeadlineMs(stage);
  limits.data_bytes = ChildMemoryBytes();
  StageDestination destination;
  destination.source = old_memory_.source();
  destination.device = !directory_;
  destination.path =
      directory_ ? directory_->File(record_stage ? kRecordFile : kDumpFile) : device_node_;
  destination.cpus = static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  if (stage == Stage::kFull) console_->Say(fmt::format("dumping with {} CPUs", destination.cpus));
  destination.identity = IdentityFile();
  destination.exclude = plan_.exclude;
  destination.keep = plan_.keep;
  uint64_t seconds = limits.deadline_ms / 1000;
  destination.end_after_s = seconds - std::min(kEndingSeconds, seconds / 4);
  auto fault = faults_.find(StageName(stage));
  ChildCommand command =
      StageCommand(stage, destination, fault == faults_.end() ? "" : fault->second);
  bool whole = false;
  std::string_view loss;
  if (limits.deadline_ms == 0) {
    outcome.reason = "no time left";
  } else {
    ChildResult result = RunChild(command, limits, [this] { Tick(); });
    memory_.Peak(StageName(stage), result.peak_kib);
    whole = result.exited_with(kExitComplete);
    outcome.done = whole || result.exited_with(kExitLosses);
    outcome.reason = result.Describe();
    if (!directory_ && stage != Stage::kLog && result.end == ChildResult::End::kStuck) {
      outcome.target_lost = true;
      loss = "the child that does not end may still write there; nothing else does";
    }
    // It ended by its own will, so the device fails. A simpler attempt meets the same place with
    // fewer pages in front of it.
    if (!directory_ && dump_stage && record_durable_ && result.exited_with(kExitFailed)) {
      outcome.target_lost = true;
      loss = "what is there stays: another attempt would write over it";
    }
  }
  if (directory_ && dump_stage) {
    // Neither is an exit status proof, nor its lack: the child may have failed behind the rename.
    bool there = HasOnTarget(kDumpFile);
    if (outcome.done && !there) outcome.reason += fmt::format(", but no {}", kDumpFile);
    outcome.done = there && (outcome.done || SyncOnTarget(kDumpFile));
    TidyAttempts(whole && there);
  }
  if (outcome.done && record_stage) {
    if (!directory_ || HasOnTarget(kRecordFile)) AnnounceRecord();
  } else if (outcome.done && dump_stage) {
    // On a device the record is inside the dump; the last rung makes none.
    if (!directory_ && stage != Stage::kAddress) AnnounceRecord();
    if (directory_) (void)RecordDurable();
  }
  if (outcome.done && dump_stage) {
    console_->Say(fmt::format("dump durable: {}", NameOnTarget(kDumpFile)));
    timeline_.Mark("dump", "dump durable", UptimeNs());
    ObeyFault(faults_, "dump-said");
  }
  if (!outcome.done)
    console_->Say(fmt::format("stage {} failed: {}", StageName(stage), outcome.reason));
  if (outcome.target_lost) console_->Say(fmt::format("{}: {}", device_node_, loss));
  if (!outcome.done && stage != Stage::kLog && old_memory_.StepOver())
    console_->Say(fmt::format("the next stage tries {}", old_memory_.name()));
  if (record_stage && !outcome.done) (void)RecordDurable();
  return outcome;
}

void CaptureRun::Finish() {
  timeline_.Mark("end", "end", UptimeNs());
  console_->Say(timeline_.Text());
  memory_.Peak("hmem-init", OwnPeakKib());
  if (std::string text = memory_.Text(); !text.empty()) console_->Say(text);
  auto close = [this]() -> Result<std::string> {
    ObeyFault(faults_, "sync");
    if (directory_) (void)directory_->WriteLog(console_->log());
    ::sync();
    if (directory_) (void)::umount2(std::string(kMountPoint).c_str(), 0);
    return "";
  };
  if (auto closed = InChild(close, kSyncDeadlineMs); !closed)
    console_->Say(fmt::format("sync and unmount failed: {}", closed.error().ToString()));
  if (plan_.final_action == plan::FinalAction::kHalt && watchdog_) watchdog_->Disarm();
}

}  // namespace hmem::init
