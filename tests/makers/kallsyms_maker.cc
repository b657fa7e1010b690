// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/kallsyms_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hmem::makers {
namespace {

// Token i is the character i; the first few are texts that real tables have too.
std::string TokenText(size_t token) {
  constexpr std::array<std::string_view, 4> kTexts = {"", "__", "_str", "ext"};
  if (token < kTexts.size()) return std::string(kTexts[token]);
  return token >= 0x20 && token < 0x7f ? std::string(1, static_cast<char>(token)) : "";
}

// Greedy: the longest token first.
std::string Pack(std::string_view text) {
  std::string packed;
  while (!text.empty()) {
    size_t best = static_cast<unsigned char>(text[0]);
    for (size_t token : {2, 3, 1}) {
      if (text.starts_with(TokenText(token))) {
        best = token;
        break;
      }
    }
    text.remove_prefix(TokenText(best).size());
    packed.push_back(static_cast<char>(best));
  }
  return packed;
}

}  // namespace

KallsymsMaker& KallsymsMaker::Add(char kind, std::string_view name, uint64_t address) {
  symbols_.push_back({kind, std::string(name), address});
  return *this;
}

std::string KallsymsMaker::Store(fakes::FakeVirtMemory& memory, VirtAddr at) const {
  const auto word = static_cast<uint64_t>(memory.word_bytes());
  std::string keys;
  auto label = [&](std::string_view name) {
    at = VirtAddr((at.value + word - 1) / word * word);
    keys += fmt::format("SYMBOL({})={:x}\n", name, at.value);
  };
  auto put32 = [&](uint64_t value) {
    memory.PutU32(at, static_cast<uint32_t>(value));
    at = at + 4;
  };

  uint64_t base = ~uint64_t{0};
  for (const Symbol& symbol : symbols_) {
    if (symbol.name == "_stext") keys += fmt::format("SYMBOL(_stext)={:x}\n", symbol.address);
    if (layout_.address_code == AddressCode::kAbsolutePercpu && symbol.kind == 'A') continue;
    base = std::min(base, symbol.address);
  }
  auto addresses = [&] {
    label(layout_.address_code == AddressCode::kAddresses ? "kallsyms_addresses"
                                                          : "kallsyms_offsets");
    for (const Symbol& symbol : symbols_) {
      switch (layout_.address_code) {
        case AddressCode::kAddresses:
          memory.PutWord(at, symbol.address);
          at = at + word;
          break;
        case AddressCode::kAbsolutePercpu:
          put32(symbol.kind == 'A' ? symbol.address : base - 1 - symbol.address);
          break;
        case AddressCode::kBaseRelative:
          put32(symbol.address - base);
          break;
        case AddressCode::kPlaceRelative:
          put32(symbol.address - at.value);
          break;
      }
    }
    if (layout_.address_code == AddressCode::kAbsolutePercpu ||
        layout_.address_code == AddressCode::kBaseRelative) {
      label("kallsyms_relative_base");
      memory.PutWord(at, base);
      at = at + word;
    }
  };

  if (!layout_.offsets_last) addresses();
  label("kallsyms_num_syms");
  put32(symbols_.size());

  label("kallsyms_names");
  const VirtAddr names = at;
  std::vector<uint64_t> markers;
  for (size_t i = 0; i < symbols_.size(); ++i) {
    if (i % 256 == 0) markers.push_back(at - names);
    const std::string packed = Pack(symbols_[i].kind + symbols_[i].name);
    const bool two = layout_.long_lengths && packed.size() >= 0x80;
    memory.PutU8(at, static_cast<uint8_t>(two ? (packed.size() & 0x7f) | 0x80 : packed.size()));
    at = at + 1;
    if (two) {
      memory.PutU8(at, static_cast<uint8_t>(packed.size() >> 7));
      at = at + 1;
    }
    memory.WriteText(at, packed);
    at = at + packed.size();
  }

  at = VirtAddr((at.value + word - 1) / word * word);
  for (uint64_t marker : markers) put32(layout_.markers ? marker : 0xabababab);

  if (layout_.sequences) {
    at = VirtAddr((at.value + word - 1) / word * word);
    for (size_t i = 0; i < symbols_.size(); ++i) {
      memory.PutU8(at, static_cast<uint8_t>(i >> 16));
      memory.PutU8(at + 1, static_cast<uint8_t>(i >> 8));
      memory.PutU8(at + 2, static_cast<uint8_t>(i));
      at = at + 3;
    }
  }

  label("kallsyms_token_table");
  std::array<uint16_t, 256> index{};
  const VirtAddr table = at;
  for (size_t token = 0; token < index.size(); ++token) {
    index[token] = static_cast<uint16_t>(at - table);
    std::string text = TokenText(token);
    text.push_back('\0');
    memory.WriteText(at, text);
    at = at + text.size();
  }
  label("kallsyms_token_index");
  for (uint16_t offset : index) {
    memory.PutU16(at, offset);
    at = at + 2;
  }
  if (layout_.offsets_last) addresses();
  return keys;
}

}  // namespace hmem::makers
