// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * page_kinds [free-page]: counts the pages of every kind, as /proc/kpageflags has them, in lines
 * "KIND PAGES". With the word: the physical address of a free page instead.
 *
 * Runs inside the guest, static. Bits: include/uapi/linux/kernel-page-flags.h and, from 32 on,
 * include/linux/kernel-page-flags.h. Of a compound page most flags are told of the first page
 * alone. KPF_KSM is not asked for: Linux 6.12 says it of all that is anonymous.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kernel-page-flags.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { kReserved = 32, kPrivate = 35, kPageShift = 12 };

#define BIT(n) (UINT64_C(1) << (n))
#define LRU BIT(KPF_LRU)
#define ANON BIT(KPF_ANON)
#define SWAPBACKED BIT(KPF_SWAPBACKED)
#define THP BIT(KPF_THP)

/* Pages that have all bits of the one and none of the other. */
struct Kind {
  const char* name;
  uint64_t all, none;
  unsigned long pages;
};

static struct Kind kinds[] = {
    {"free", BIT(KPF_BUDDY), 0, 0},
    {"clean-cache", LRU, ANON | SWAPBACKED | BIT(KPF_DIRTY), 0},
    {"dirty-cache", LRU | BIT(KPF_DIRTY), ANON | SWAPBACKED, 0},
    {"buffers", LRU | BIT(kPrivate), ANON | SWAPBACKED, 0},
    {"large-cache", LRU | BIT(KPF_COMPOUND_HEAD), ANON | SWAPBACKED, 0},
    {"tmpfs", LRU | SWAPBACKED, ANON | THP | BIT(KPF_SWAPCACHE), 0},
    {"tmpfs-thp", THP, ANON | BIT(KPF_ZERO_PAGE), 0},
    {"anon", ANON, THP | BIT(KPF_HUGE), 0},
    {"thp", ANON | THP, 0, 0},
    {"swap-cache", BIT(KPF_SWAPCACHE), 0, 0},
    {"locked", BIT(KPF_UNEVICTABLE) | ANON, 0, 0},
    {"hugetlb", BIT(KPF_HUGE), 0, 0},
    {"slab", BIT(KPF_SLAB), 0, 0},
    {"page-table", BIT(KPF_PGTABLE), 0, 0},
    {"poisoned", BIT(KPF_HWPOISON), 0, 0},
    {"reserved", BIT(kReserved), 0, 0},
    {"zero-page", BIT(KPF_ZERO_PAGE), 0, 0},
};

int main(int argc, char** argv) {
  static uint64_t flags[1 << 14];
  const int find_free = argc > 1 && strcmp(argv[1], "free-page") == 0;
  uint64_t free_pfn = 0, pfn = 0;
  const int file = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
  ssize_t bytes;
  while ((bytes = read(file, flags, sizeof(flags))) > 0) {
    for (size_t i = 0; i < (size_t)bytes / sizeof(flags[0]); ++i, ++pfn) {
      if ((flags[i] & BIT(KPF_BUDDY)) != 0) free_pfn = pfn;
      for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); ++k) {
        const uint64_t of_interest = flags[i] & (kinds[k].all | kinds[k].none);
        if (of_interest == kinds[k].all) ++kinds[k].pages;
      }
    }
  }
  if (bytes < 0 || pfn == 0) {
    perror("/proc/kpageflags");
    return 1;
  }
  if (find_free) {
    printf("%#" PRIx64 "\n", free_pfn << kPageShift);
    return free_pfn == 0;
  }
  for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); ++k)
    printf("%s %lu\n", kinds[k].name, kinds[k].pages);
  return 0;
}
