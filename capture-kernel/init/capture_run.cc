// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/capture_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "capture-kernel/init/ending.h"
#include "capture-kernel/init/kernel_modules.h"
#include "capture-kernel/init/stage_command.h"
#include "capture-kernel/init/target_device.h"
#include "capture-kernel/plan/key_value_text.h"
#include "hmem/base/fd.h"

namespace hmem::init {
namespace {

constexpr std::string_view kMountPoint = "/mnt";
constexpr uint64_t kOverseerGraceSeconds = 90;
constexpr uint64_t kMountDeadlineMs = 60'000;
constexpr uint64_t kSyncDeadlineMs = 60'000;
constexpr uint64_t kRecordSyncDeadlineMs = 15'000;
constexpr uint64_t kMiB = 1 << 20;
// Left for the kernel and page cache when a child is given the rest of memory.
constexpr uint64_t kMemoryReserveBytes = 12 * kMiB;
constexpr uint64_t kMinChildBytes = 16 * kMiB;
constexpr int kExitComplete = 0;
constexpr int kExitLosses = 3;

Result<uint64_t> FileBytes(const char* path) {
  struct stat st;
  if (::stat(path, &st) != 0) return FailErrno(path, errno);
  return static_cast<uint64_t>(st.st_size);
}

uint64_t MemAvailableBytes() {
  auto text = ReadTextFile("/proc/meminfo", 64 * 1024);
  if (!text) return 0;
  constexpr std::string_view kKey = "MemAvailable:";
  size_t at = text->find(kKey);
  if (at == std::string::npos) return 0;
  std::string_view rest = std::string_view(*text).substr(at + kKey.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  auto kib = plan::ParseNumber(rest.substr(0, rest.find(' ')), 0, UINT64_MAX / 1024);
  return kib ? *kib * 1024 : 0;
}

uint64_t ChildMemoryBytes() {
  uint64_t available = MemAvailableBytes();
  return std::max(kMinChildBytes,
                  available > kMemoryReserveBytes ? available - kMemoryReserveBytes : 0);
}

}  // namespace

plan::FinalAction CaptureRun::Run() {
  timeline_.Mark("userland", "capture kernel up", UptimeNs());
  if (auto mounted = MountKernelFileSystems(); !mounted) console_->Say(mounted.error().ToString());
  watchdog_.emplace();
  console_->Say("capture kernel up");
  ReadPlan();
  auto memory = FileBytes("/proc/vmcore");
  if (!memory) {
    console_->Say(fmt::format("no old kernel's memory here: {}", memory.error().ToString()));
    return plan_.final_action;
  }
  memory_bytes_ = *memory;
  uint64_t total_s = plan_.TotalDeadline(memory_bytes_);
  end_by_ms_ = UptimeMs() + total_s * 1000;
  StartOverseer(total_s + kOverseerGraceSeconds);
  bool target_ready = false;
  if (plan_read_) {
    LoadModules();
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

void CaptureRun::LoadModules() {
  for (const std::string& module : plan_.modules) {
    // A crc32c for another CPU says ENODEV; the target tells whether what is missing was needed.
    if (auto loaded = LoadModule(module); !loaded) console_->Say(loaded.error().ToString());
    Tick();
  }
  timeline_.Mark("modules", "modules loaded", UptimeNs());
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
    HMEM_ASSIGN(directory_, CaptureDirectory::Create(base, std::time(nullptr)));
    console_->Say(fmt::format("target ready: {} on {} ({})", NameOnTarget(""), device_node_,
                              target.file_system.type));
  } else {
    console_->Say(fmt::format("target ready: {}", device_node_));
  }
  return {};
}

// In a child: mount(2) on a dying disk may never come back, and PID 1 must.
Status CaptureRun::MountTarget(const std::string& device) {
  const std::string& type = plan_.target.file_system.type;
  auto mount = [&] {
    int status = ::mount(device.c_str(), std::string(kMountPoint).c_str(), type.c_str(),
                         MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_NOATIME, nullptr);
    return status == 0 ? 0 : errno;
  };
  ChildResult result = RunFunction(mount, kMountDeadlineMs, [this] { Tick(); });
  if (result.exited_with(0)) return {};
  // Both refuse to mount for writing without replaying the journal, and read-only there is nothing
  // to write: the ladder goes on without a target.
  std::string what = fmt::format("mount {} as {}", device, type);
  if (result.end == ChildResult::End::kExited) return FailErrno(what, result.code);
  return Fail(ErrorCode::kIo, fmt::format("{}: {}", what, result.Describe()));
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
  uint64_t seconds = plan_.DumpDeadline(memory_bytes_);
  if (stage == Stage::kRecord || stage == Stage::kRecordAgain) seconds = plan_.deadlines.record_s;
  if (stage == Stage::kLog) return plan_.deadlines.log_s * 1000;  // short, and all that is left
  return std::min(seconds * 1000, left);
}

void CaptureRun::AnnounceRecord() {
  if (record_durable_) return;
  record_durable_ = true;
  console_->Say(fmt::format("record durable: {}", NameOnTarget(kRecordFile)));
  timeline_.Mark("record", "record durable", UptimeNs());
}

// What a child that was killed left behind can be visible and still only in memory.
bool CaptureRun::RecordDurable() {
  if (record_durable_ || !directory_ || !directory_->HasRecord()) return record_durable_;
  auto sync = [this] { return directory_->SyncRecord() ? 0 : 1; };
  ChildResult synced = RunFunction(sync, kRecordSyncDeadlineMs, [this] { Tick(); });
  if (synced.exited_with(0)) {
    AnnounceRecord();
  } else {
    console_->Say(fmt::format("{}: not known to be durable: sync: {}", NameOnTarget(kRecordFile),
                              synced.Describe()));
  }
  return record_durable_;
}

// The identity file with the timeline so far, or the one of the initramfs.
std::string CaptureRun::IdentityFile() const {
  const std::string armed(plan::kIdentityConfPath);
  const std::string path(plan::kRunIdentityConfPath);
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

void CaptureRun::MakeRoom() {
  auto free_bytes = directory_->FreeBytes();
  auto removed = free_bytes ? directory_->RemoveAttemptsIfShort(*free_bytes)
                            : Result<bool>(std::unexpected(free_bytes.error()));
  if (!removed) {
    console_->Say(removed.error().ToString());
  } else if (*removed) {
    console_->Say("what earlier attempts left is removed: the next one needs the room");
  }
}

StageOutcome CaptureRun::Run(Stage stage) {
  StageOutcome outcome;
  bool dump_stage = stage == Stage::kFull || stage == Stage::kSingle || stage == Stage::kAddress;
  ChildLimits limits;
  limits.deadline_ms = StageDeadlineMs(stage);
  limits.data_bytes = ChildMemoryBytes();
  if (dump_stage && directory_ && attempts_ > 0) MakeRoom();
  StageDestination destination;
  destination.device = !directory_;
  const bool record_stage = stage == Stage::kRecord || stage == Stage::kRecordAgain;
  destination.path =
      directory_ ? directory_->File(record_stage ? kRecordFile : kDumpFile) : device_node_;
  destination.cpus = static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  destination.identity = IdentityFile();
  auto fault =
      faults_.find(stage == Stage::kRecordAgain ? StageName(Stage::kRecord) : StageName(stage));
  ChildCommand command =
      StageCommand(stage, destination, fault == faults_.end() ? "" : fault->second);
  if (limits.deadline_ms == 0) {
    outcome.reason = "no time left";
  } else {
    ChildResult result = RunChild(command, limits, [this] { Tick(); });
    outcome.done = result.exited_with(kExitComplete) || result.exited_with(kExitLosses);
    outcome.reason = result.Describe();
    outcome.target_lost =
        !directory_ && stage != Stage::kLog && result.end == ChildResult::End::kStuck;
    // Exit 0 is not proof enough.
    if (dump_stage && outcome.done && directory_ && !directory_->HasDump()) {
      outcome.done = false;
      outcome.reason += fmt::format(", but no {}", kDumpFile);
    }
  }
  if (record_stage) {
    if (outcome.done && (!directory_ || directory_->HasRecord())) AnnounceRecord();
  } else if (dump_stage && outcome.done) {
    // On a device the record is inside the dump.
    if (!directory_ || directory_->HasRecord()) AnnounceRecord();
    console_->Say(fmt::format("dump durable: {}", NameOnTarget(kDumpFile)));
    timeline_.Mark("dump", "dump durable", UptimeNs());
  }
  if (!outcome.done)
    console_->Say(fmt::format("stage {} failed: {}", StageName(stage), outcome.reason));
  if (outcome.target_lost) {
    console_->Say(fmt::format(
        "{}: the child that does not end may still write there; nothing else does", device_node_));
  }
  if (record_stage && !outcome.done) (void)RecordDurable();
  if (directory_ && dump_stage) {
    Status tidied =
        outcome.done ? directory_->RemoveAttempts() : directory_->KeepAttempt(++attempts_);
    if (!tidied) console_->Say(tidied.error().ToString());
  }
  return outcome;
}

void CaptureRun::Finish() {
  auto feed = [this] { Tick(); };
  timeline_.Mark("end", "end", UptimeNs());
  console_->Say(timeline_.Text());
  auto close = [this] {
    if (directory_) (void)directory_->WriteLog(console_->log());
    ::sync();
    if (directory_) (void)::umount2(std::string(kMountPoint).c_str(), 0);
    return 0;
  };
  ChildResult closed = RunFunction(close, kSyncDeadlineMs, feed);
  if (!closed.exited_with(0)) console_->Say(fmt::format("sync and unmount: {}", closed.Describe()));
  if (plan_.final_action == plan::FinalAction::kHalt && watchdog_) watchdog_->Disarm();
}

}  // namespace hmem::init
