// SPDX-License-Identifier: GPL-2.0-or-later
// An opened kernel of one's own making: declare structures, place symbols and objects, then Open.
//
//   FakeKernel fake;
//   fake.Struct("thing", 16, {{"next", fake.pointer, 0}, {"count", fake.s32, 8}});
//   VirtAddr thing = fake.New("thing");
//   fake.Set(thing, "thing", "count", -5);
//   fake.Symbol("first_thing", thing);
//   const walk::Kernel& kernel = fake.Open();
//
// Memory is one linear mapping from kBase on; what was not written is not there. Declare every
// structure before the first New or Set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dumptools/types/btf.h"
#include "dumptools/walk/kernel.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/btf_maker.h"

namespace hmem::fakes {

class FakeKernel {
 public:
  static constexpr VirtAddr kBase{0xffff888000000000};

  FakeKernel();

  struct Member {
    std::string_view name;
    uint32_t type;
    uint32_t offset_bytes;
  };
  uint32_t Struct(std::string_view name, uint32_t size_bytes, const std::vector<Member>& members);
  uint32_t Text(uint32_t bytes) { return btf.Array(character, bytes); }

  // A zeroed object of that type, or of so many bytes, at the next free address.
  VirtAddr New(std::string_view type_name);
  VirtAddr NewBytes(uint64_t bytes);
  void Set(VirtAddr object, std::string_view type_name, std::string_view path, uint64_t value);
  void SetPointer(VirtAddr object, std::string_view type_name, std::string_view path,
                  VirtAddr value);
  void SetText(VirtAddr object, std::string_view type_name, std::string_view path,
               std::string_view text);
  VirtAddr At(VirtAddr object, std::string_view type_name, std::string_view path);
  // Links the list_heads into a ring: the first is the head.
  void List(const std::vector<VirtAddr>& heads);

  void Write(VirtAddr at, std::span<const std::byte> bytes) {
    source.memory.Write(Phys(at), bytes);
  }
  void PutU32(VirtAddr at, uint32_t value) { source.memory.PutU32(Phys(at), value); }
  void PutU64(VirtAddr at, uint64_t value) { source.memory.PutU64(Phys(at), value); }
  void Fail(VirtAddr at, uint64_t bytes, ErrorCode code) {
    source.memory.Fail({Phys(at), Phys(at + bytes)}, code);
  }
  void Symbol(std::string_view name, VirtAddr address, char kind = 'D') {
    symbols_.Add(0, name, address, 0, kind);
  }

  // Once; the fake owns the kernel.
  const walk::Kernel& Open();

  FakeSource source;
  std::string vmcoreinfo;
  std::unique_ptr<unwind::Unwinder> unwinder;
  // Basic types, ready to use.
  makers::BtfMaker btf;
  uint32_t character, u16, u32, s32, u64, s64, pointer, list_head;

 private:
  static PhysAddr Phys(VirtAddr at) { return PhysAddr(at - kBase); }
  types::Btf& Types();

  uint64_t next_ = 0x10000;
  symbols::SymbolTable symbols_;
  std::unique_ptr<types::Btf> types_;
  types::Btf* parsed_ = nullptr;
  std::unique_ptr<walk::Kernel> kernel_;
};

}  // namespace hmem::fakes
