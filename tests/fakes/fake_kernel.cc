// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fakes/fake_kernel.h"

#include <elf.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace hmem::fakes {
namespace {

// Only tests use this, and a test that asks for what it did not declare is wrong.
template <typename T>
T Must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "FakeKernel: {}\n", result.error().ToString());
    std::abort();
  }
  return *std::move(result);
}

}  // namespace

FakeKernel::FakeKernel() {
  source.segments.push_back({{kBase, kBase + (uint64_t{1} << 30)}, PhysAddr(0)});
  character = btf.Int("char", 1);
  u16 = btf.Int("short unsigned int", 2);
  u32 = btf.Int("unsigned int", 4);
  s32 = btf.Int("int", 4, true);
  u64 = btf.Int("long unsigned int", 8);
  s64 = btf.Int("long int", 8, true);
  pointer = btf.Pointer(0);
  list_head = Struct("list_head", 16, {{"next", pointer, 0}, {"prev", pointer, 8}});
}

uint32_t FakeKernel::Struct(std::string_view name, uint32_t size_bytes,
                            const std::vector<Member>& members) {
  std::vector<makers::BtfMaker::Member> made;
  for (const Member& member : members)
    made.push_back({member.name, member.type, member.offset_bytes * 8});
  return btf.Struct(name, size_bytes, made);
}

types::Btf& FakeKernel::Types() {
  if (parsed_ == nullptr) {
    types_ = Must(types::Btf::Parse(btf.Make(), 8));
    parsed_ = types_.get();
  }
  return *parsed_;
}

VirtAddr FakeKernel::NewBytes(uint64_t bytes) {
  VirtAddr at = kBase + next_;
  source.memory.AddZero({Phys(at), Phys(at + bytes)});
  next_ += (bytes + 63) / 64 * 64;
  return at;
}

VirtAddr FakeKernel::New(std::string_view type_name) {
  return NewBytes(Must(Types().SizeOf(type_name)));
}

VirtAddr FakeKernel::At(VirtAddr object, std::string_view type_name, std::string_view path) {
  return object + Must(Types().Member(type_name, path)).offset_bytes;
}

void FakeKernel::Set(VirtAddr object, std::string_view type_name, std::string_view path,
                     uint64_t value) {
  types::Field field = Must(Types().Member(type_name, path));
  std::array<std::byte, 8> bytes;
  Store<uint64_t>(bytes.data(), value, Endian::kLittle);
  Write(object + field.offset_bytes, std::span(bytes).first(field.size_bytes));
}

void FakeKernel::SetPointer(VirtAddr object, std::string_view type_name, std::string_view path,
                            VirtAddr value) {
  Set(object, type_name, path, value.value);
}

void FakeKernel::SetText(VirtAddr object, std::string_view type_name, std::string_view path,
                         std::string_view text) {
  Write(At(object, type_name, path), std::as_bytes(std::span(text)));
}

void FakeKernel::List(const std::vector<VirtAddr>& heads) {
  for (size_t i = 0; i < heads.size(); ++i) {
    VirtAddr next = heads[(i + 1) % heads.size()];
    PutU64(heads[i], next.value);
    PutU64(next + 8, heads[i].value);
  }
}

const walk::Kernel& FakeKernel::Open() {
  Types();
  Findings findings;
  walk::Kernel::Pieces pieces{.vmcoreinfo = space::Vmcoreinfo::Parse(vmcoreinfo, findings),
                              .symbols = std::move(symbols_),
                              .types = std::move(types_),
                              .unwinder = std::move(unwinder)};
  pieces.symbols.Seal();
  const arch::Arch* arch = Must(arch::FindArch(EM_X86_64, 8, Endian::kLittle));
  space::AddressSpace memory =
      Must(space::AddressSpace::Create(source, *arch, pieces.vmcoreinfo, findings));
  kernel_ = walk::Kernel::Assemble(source, *arch, std::move(memory), std::move(pieces));
  return *kernel_;
}

}  // namespace hmem::fakes
