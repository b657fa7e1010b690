// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/unwind/orc_unwinder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace hmem::unwind {
namespace {

constexpr uint64_t kWord = 8;
// struct pt_regs: the first 21 words of pr_reg; the CPU itself pushes the last five.
constexpr uint64_t kPtRegsBytes = 21 * kWord;
constexpr uint64_t kIretFrameBytes = 5 * kWord;
constexpr uint64_t kIretFrameOffset = kPtRegsBytes - kIretFrameBytes;

constexpr uint64_t kKernelHalf = uint64_t{1} << 63;
// CPU_ENTRY_AREA_BASE: exception stacks, a page or two each, side by side.
constexpr VirtRange kEntryStacks = {VirtAddr(0xfffffe0000000000), VirtAddr(0xfffffe8000000000)};

constexpr uint64_t kCallBytes = 5;  // e8 rel32
constexpr size_t kMaxSwitches = 16;
constexpr uint64_t kMaxScanWords = 512;

// What takes the place of return addresses while a return probe or the function graph tracer waits
// for the return. The kernel keeps the real ones elsewhere.
constexpr std::array<std::string_view, 3> kReturnTrampolines = {
    "arch_rethook_trampoline", "__kretprobe_trampoline", "return_to_handler"};

}  // namespace

// One unwinding: the registers of the frame it stands in, and where it has been.
class OrcUnwinder::Walk {
 public:
  Walk(const OrcUnwinder& unwinder, const Start& start)
      : memory_(*unwinder.memory_),
        arch_(*unwinder.arch_),
        symbols_(*unwinder.symbols_),
        tables_(unwinder.tables_),
        roles_(unwinder.roles_),
        registers_(start.registers),
        exact_(start.exact) {
    registers_.values.resize(arch_.registers.size());
    registers_.known.resize(arch_.registers.size());
  }

  Stack Run(const Limits& limits) {
    if (!Known(roles_.ip) || !Known(roles_.sp)) {
      stack_.end_reason = "the program counter or the stack pointer is not known";
      return std::move(stack_);
    }
    visited_.push_back({Sp(), Sp()});
    if (InUserMode()) {
      EndInUser();
      return std::move(stack_);
    }
    for (bool more = true; more;) {
      if (stack_.frames.size() >= limits.max_frames) {
        stack_.end_reason = fmt::format("more than {} frames", limits.max_frames);
        break;
      }
      AddFrame();
      more = Step();
    }
    // What an exception interrupted is known, even where its stack leads nowhere.
    if (interrupted_behind_ && stack_.frames.size() < limits.max_frames) AddFrame();
    return std::move(stack_);
  }

 private:
  bool Known(size_t index) const { return registers_.known[index]; }
  uint64_t Value(size_t index) const { return registers_.values[index]; }
  void Set(size_t index, uint64_t value) {
    registers_.values[index] = value;
    registers_.known[index] = true;
  }
  VirtAddr Ip() const { return VirtAddr(Value(roles_.ip)); }
  VirtAddr Sp() const { return VirtAddr(Value(roles_.sp)); }

  bool InUserMode() const { return Known(roles_.cs) && (Value(roles_.cs) & 3) != 0; }

  void AddFrame() {
    stack_.frames.push_back({.pc = Ip(),
                             .sp = Sp(),
                             .exact = exact_,
                             .interrupted = interrupted_,
                             .reliable = reliable_});
  }

  bool Stop(std::string reason) {
    stack_.end_reason = std::move(reason);
    return false;
  }
  bool EndInUser() {
    stack_.ends_in_user = true;
    stack_.user_registers = registers_;
    return false;
  }

  // Behind saved registers: they are a frame of their own, but the last.
  bool StopAtCaller(std::string reason) {
    interrupted_behind_ = interrupted_ && !InUserMode();
    return Stop(std::move(reason));
  }

  // Moves on to the caller. False: this was the last frame.
  bool Step() {
    VirtAddr pc = Ip();
    if (!exact_ && StandsAtReturnTrampoline()) return false;
    Result<OrcEntry> entry =
        Fail(ErrorCode::kNotFound, fmt::format("{:#x} is not in the kernel", pc.value));
    if (pc.value >= kKernelHalf) entry = tables_.Find(exact_ ? pc : pc - 1);
    bool no_code =
        entry ? entry->type == OrcType::kUndefined : entry.error().code() == ErrorCode::kNotFound;
    // Nothing executes at an address that is no code: it was a call through a bad pointer, and the
    // return address is still on top of the stack.
    if (exact_ && no_code && ReturnFromBadCall()) return true;
    if (!entry) {
      if (pc.value < kKernelHalf) return Stop(entry.error().ToString());
      return CrossUnknownCode(entry.error().ToString());
    }
    switch (entry->type) {
      case OrcType::kEndOfStack:
        return false;
      case OrcType::kUndefined:
        return CrossUnknownCode(fmt::format("ORC has a gap at {:#x}", pc.value));
      case OrcType::kUnknown:
        return Stop(fmt::format("ORC entry for {:#x} is of an unknown type", pc.value));
      case OrcType::kCall:
      case OrcType::kRegs:
      case OrcType::kRegsPartial:
        return Apply(*entry);
    }
    return Stop("ORC entry of an unknown type");
  }

  bool Apply(const OrcEntry& entry) {
    Result<uint64_t> base = PreviousStack(entry);
    if (!base) return Stop(base.error().ToString());
    uint64_t sp = *base;
    uint64_t old_bp = Value(roles_.bp);
    bool old_bp_known = Known(roles_.bp);
    VirtAddr old_sp = Sp();

    switch (entry.type) {
      case OrcType::kCall: {
        Result<uint64_t> ip = Word(VirtAddr(sp - kWord));
        if (!ip) return Stop(ip.error().Within("return address").ToString());
        std::fill(registers_.known.begin(), registers_.known.end(), false);
        Set(roles_.ip, *ip);
        Set(roles_.sp, sp);
        interrupted_ = false;
        break;
      }
      case OrcType::kRegs:
        if (Status status = LoadRegisters(VirtAddr(sp), 0); !status)
          return Stop(status.error().ToString());
        break;
      default:  // kRegsPartial; the registers that were not pushed still hold what they held
        if (Status status = LoadRegisters(VirtAddr(sp), kIretFrameOffset); !status) {
          return Stop(status.error().ToString());
        }
        break;
    }
    exact_ = entry.signal;
    reliable_ = true;

    uint64_t bp_slot;
    switch (entry.bp_base) {
      case OrcBase::kUndefined:
        if (entry.type == OrcType::kCall) {
          registers_.values[roles_.bp] = old_bp;
          registers_.known[roles_.bp] = old_bp_known;
        }
        return Progress(old_sp);
      case OrcBase::kPreviousSp:
        bp_slot = sp + static_cast<uint64_t>(static_cast<int64_t>(entry.bp_offset));
        break;
      case OrcBase::kBp:
        bp_slot = old_bp + static_cast<uint64_t>(static_cast<int64_t>(entry.bp_offset));
        break;
      default:
        return StopAtCaller(fmt::format("ORC entry has a frame pointer of unknown base at {:#x}",
                                        stack_.frames.back().pc.value));
    }
    Result<uint64_t> bp = Word(VirtAddr(bp_slot));
    if (!bp) return StopAtCaller(bp.error().Within("saved frame pointer").ToString());
    Set(roles_.bp, *bp);
    return Progress(old_sp);
  }

  Result<uint64_t> PreviousStack(const OrcEntry& entry) const {
    auto offset = static_cast<uint64_t>(static_cast<int64_t>(entry.sp_offset));
    auto from = [&](size_t index) -> Result<uint64_t> {
      if (Known(index)) return Value(index);
      return Fail(ErrorCode::kNotFound, fmt::format("{} is needed at {:#x} and not known",
                                                    arch_.registers[index].name, Ip().value));
    };
    switch (entry.sp_base) {
      case OrcBase::kSp:
        return Sp().value + offset;
      case OrcBase::kBp: {
        HMEM_ASSIGN(uint64_t bp, from(roles_.bp));
        return bp + offset;
      }
      case OrcBase::kSpIndirect: {
        HMEM_ASSIGN(uint64_t saved, Within("saved stack pointer", Word(Sp())));
        return saved + offset;
      }
      case OrcBase::kBpIndirect: {
        HMEM_ASSIGN(uint64_t bp, from(roles_.bp));
        return Within("saved stack pointer", Word(VirtAddr(bp + offset)));
      }
      case OrcBase::kR10:
        return from(roles_.r10);
      case OrcBase::kR13:
        return from(roles_.r13);
      case OrcBase::kDi:
        return from(roles_.di);
      case OrcBase::kDx:
        return from(roles_.dx);
      case OrcBase::kAx:
        return from(roles_.ax);
      case OrcBase::kUndefined:
      case OrcBase::kPreviousSp:
      case OrcBase::kUnknown:
        break;
    }
    return Fail(ErrorCode::kCorrupt,
                fmt::format("ORC entry has a stack pointer of unknown base at {:#x}", Ip().value));
  }

  Result<uint64_t> Word(VirtAddr addr) const {
    if (addr.value < kKernelHalf || addr.value % kWord != 0) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{:#x} is no address on a kernel stack", addr.value));
    }
    return memory_.U64(addr);
  }

  // Nobody called from there: one byte before is another function, whose entry would lead astray.
  bool StandsAtReturnTrampoline() {
    std::optional<symbols::Located> here = symbols_.Locate(Ip());
    if (!here || here->offset != 0 ||
        std::ranges::find(kReturnTrampolines, here->symbol.name) == kReturnTrampolines.end()) {
      return false;
    }
    stack_.frames.back().exact = true;
    Stop(fmt::format("{} took the place of the return address: the callers are not known",
                     here->symbol.name));
    return true;
  }

  // The words of struct pt_regs from `first_byte` on, which lie at `at`.
  Status LoadRegisters(VirtAddr at, uint64_t first_byte) {
    std::array<std::byte, kPtRegsBytes> bytes;
    std::span<std::byte> wanted = std::span(bytes).subspan(first_byte);
    if (at.value < kKernelHalf || at.value % kWord != 0) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("saved registers at {:#x}, which is no kernel stack", at.value));
    }
    HMEM_TRY(Within("saved registers", memory_.Read(at, wanted)));
    for (size_t i = 0; i < arch_.registers.size(); ++i) {
      const arch::Register& reg = arch_.registers[i];
      if (reg.size != kWord || reg.offset < first_byte || reg.offset + kWord > kPtRegsBytes)
        continue;
      Set(i, Load<uint64_t>(bytes.data() + reg.offset, arch_.endian));
    }
    interrupted_ = true;
    return {};
  }

  // After the registers are the caller's: was there a step outwards?
  bool Progress(VirtAddr old_sp) {
    if (interrupted_ && InUserMode()) return EndInUser();
    VirtAddr sp = Sp();
    if (sp.value < kKernelHalf)
      return StopAtCaller(fmt::format("stack pointer {:#x} is not in the kernel", sp.value));
    const uint64_t stack_bytes = arch_.stack_rules->default_stack_bytes;
    if (sp > old_sp && sp - old_sp <= stack_bytes) {
      visited_.back().end = sp;
      return true;
    }
    // Another stack, or damage. Stacks are aligned to their size but for the exception stacks.
    bool same_stack = sp.value / stack_bytes == old_sp.value / stack_bytes &&
                      !(kEntryStacks.contains(sp) && kEntryStacks.contains(old_sp));
    if (same_stack) {
      return StopAtCaller(fmt::format("the stack goes in the wrong direction: from {:#x} to {:#x}",
                                      old_sp.value, sp.value));
    }
    for (const VirtRange& seen : visited_) {
      if (sp >= seen.start && sp <= seen.end) {
        return StopAtCaller(
            fmt::format("the stack loops: {:#x} leads back to {:#x}", old_sp.value, sp.value));
      }
    }
    if (visited_.size() > kMaxSwitches)
      return StopAtCaller(fmt::format("more than {} stacks", kMaxSwitches));
    visited_.push_back({sp, sp});
    return true;
  }

  // The instruction before a return address is a call: e8 rel32, or ff /2 in one of its lengths.
  bool IsBehindCall(VirtAddr pc) const {
    std::array<std::byte, 7> code;
    if (!memory_.Read(pc - code.size(), code)) return false;
    if (code[2] == std::byte{0xe8}) return true;
    for (size_t i = 0; i + 1 < code.size(); ++i) {
      if (code[i] == std::byte{0xff} && (std::to_integer<unsigned>(code[i + 1]) >> 3 & 7) == 2)
        return true;
    }
    return false;
  }
  bool IsReturnAddress(uint64_t value) const {
    return value >= kKernelHalf && tables_.IsCode(VirtAddr(value - 1)) &&
           IsBehindCall(VirtAddr(value));
  }

  bool ReturnFromBadCall() {
    Result<uint64_t> ip = Word(Sp());
    if (!ip || !IsReturnAddress(*ip)) return false;
    LeaveTo(*ip, Sp() + kWord);
    return true;
  }

  bool CrossUnknownCode(std::string why) {
    return LeaveByOwnCall() || LeaveByFramePointer() || LeaveByScan() || Stop(std::move(why));
  }

  // The first word on the stack that is the return address of a call to the function we are in.
  bool LeaveByOwnCall() {
    std::optional<symbols::Located> here = symbols_.Locate(exact_ ? Ip() : Ip() - 1);
    if (!here) return false;
    return Scan([&](VirtAddr ip) {
      std::array<std::byte, kCallBytes> code;
      if (!memory_.Read(ip - kCallBytes, code) || code[0] != std::byte{0xe8}) return false;
      auto relative = static_cast<int64_t>(Load<int32_t>(code.data() + 1, Endian::kLittle));
      return ip + static_cast<uint64_t>(relative) == here->symbol.address;
    });
  }

  bool LeaveByFramePointer() {
    if (!Known(roles_.bp)) return false;
    VirtAddr bp(Value(roles_.bp));
    if (bp < Sp() || bp - Sp() > arch_.stack_rules->default_stack_bytes) return false;
    Result<uint64_t> saved = Word(bp), ip = Word(bp + kWord);
    if (!saved || !ip || !IsReturnAddress(*ip)) return false;
    LeaveTo(*ip, bp + 2 * kWord);
    Set(roles_.bp, *saved);
    reliable_ = false;
    return true;
  }

  bool LeaveByScan() {
    if (!Scan([&](VirtAddr ip) { return IsBehindCall(ip); })) return false;
    reliable_ = false;
    return true;
  }

  // Leaves to the first address of known code on the stack that `accept` takes.
  template <typename Accept>
  bool Scan(Accept accept) {
    VirtAddr sp = Sp();
    for (uint64_t i = 0; i < kMaxScanWords; ++i) {
      VirtAddr slot = sp + i * kWord;
      Result<uint64_t> ip = Word(slot);
      if (!ip) return false;
      if (*ip < kKernelHalf || !tables_.IsCode(VirtAddr(*ip - 1)) || !accept(VirtAddr(*ip)))
        continue;
      LeaveTo(*ip, slot + kWord);
      return true;
    }
    return false;
  }

  void LeaveTo(uint64_t ip, VirtAddr sp) {
    bool bp_known = Known(roles_.bp);
    std::fill(registers_.known.begin(), registers_.known.end(), false);
    registers_.known[roles_.bp] = bp_known;
    Set(roles_.ip, ip);
    Set(roles_.sp, sp.value);
    visited_.back().end = sp;
    exact_ = false;
    interrupted_ = false;
    reliable_ = true;
  }

  const VirtReader& memory_;
  const arch::Arch& arch_;
  const symbols::SymbolTable& symbols_;
  const OrcTables& tables_;
  const Roles& roles_;
  space::RegisterSet registers_;
  bool exact_, interrupted_ = false, reliable_ = true;
  bool interrupted_behind_ = false;  // the walk ended behind saved registers
  std::vector<VirtRange> visited_;   // of each stack, the part that was walked; ends included
  Stack stack_;
};

Result<std::unique_ptr<OrcUnwinder>> OrcUnwinder::Create(const arch::Arch& arch,
                                                         const VirtReader& memory,
                                                         const symbols::SymbolTable& symbols,
                                                         OrcTables tables) {
  Roles roles{};
  auto role = [&](std::string_view name, size_t* index) {
    const arch::Register* reg = arch.FindRegister(name);
    if (reg != nullptr) *index = static_cast<size_t>(reg - arch.registers.data());
    return reg != nullptr;
  };
  if (arch.stack_rules == nullptr || !role("rip", &roles.ip) || !role("rsp", &roles.sp) ||
      !role("rbp", &roles.bp) || !role("rax", &roles.ax) || !role("rdx", &roles.dx) ||
      !role("rdi", &roles.di) || !role("r10", &roles.r10) || !role("r13", &roles.r13) ||
      !role("cs", &roles.cs)) {
    return Fail(ErrorCode::kUnsupported, fmt::format("ORC on architecture {}", arch.name));
  }
  return std::unique_ptr<OrcUnwinder>(
      new OrcUnwinder(arch, memory, symbols, std::move(tables), roles));
}

Stack OrcUnwinder::Unwind(const Start& start, const Limits& limits) const {
  return Walk(*this, start).Run(limits);
}

}  // namespace hmem::unwind
