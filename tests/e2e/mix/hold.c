// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hold KIND N [FILE]: makes memory of one kind and holds it. Returns as soon as it is there; a
 * process stays behind. Runs inside the guest, static. N is in MiB where nothing else is said:
 *   anon          small pages of a process
 *   locked        the same, mlock()ed
 *   thp           huge pages; of the last one only a half is still mapped
 *   large         folios of 64 KiB, where the kernel makes such
 *   shared        anonymous memory that two processes could share: tmpfs to the kernel
 *   ksm           pages of which many are equal, offered for merging
 *   swap          pages swapped out, half of them in again; two processes have them, so that those
 *                 stay in the swap cache
 *   hugetlb       N huge pages of a process
 *   hugetlb-file  N huge pages of a file
 *   tables        N page tables, each with one page
 *   pipes         N pipes, each with a page of data
 *   names         N names of FILE looked up that are not there: slab
 *   poison        one page each poisoned of small pages, of a huge one, of FILE, of hugetlb
 *   objects       a heap of small objects full of pointers
 *   text          words of a log
 *   random        what no codec makes smaller
 *   zero          pages that were written and hold nothing
 *   sparse        pages with a few words in them
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kPage = 4096, kMiB = 1 << 20, kHugePage = 2 << 20, kLargeFolio = 64 << 10 };

static void Die(const char* what) {
  perror(what);
  exit(1);
}

/* At a huge page's boundary, and so much more address space that nothing is merged with it. */
static char* Map(size_t bytes, int flags, int file) {
  const size_t room = bytes + 2 * kHugePage;
  char* place = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) Die("mmap");
  place = (char*)(((uintptr_t)place + kHugePage - 1) / kHugePage * kHugePage);
  place = mmap(place, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, file, 0);
  if (place == MAP_FAILED) Die("mmap");
  return place;
}

static void Advise(void* at, size_t bytes, int advice) {
  if (madvise(at, bytes, advice) != 0) Die("madvise");
}

static char* Anonymous(size_t bytes, int advice) {
  char* place = Map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  Advise(place, bytes, advice);
  return place;
}

/* No page like another, `kinds` of them apart; each compresses well. */
static void Fill(char* place, size_t bytes, uint64_t kinds) {
  for (uint64_t page = 0; page < bytes / kPage; ++page) {
    uint64_t* words = (uint64_t*)(place + page * kPage);
    for (unsigned i = 0; i < kPage / sizeof(*words); i += 8) words[i] = page % kinds + 1;
  }
}

static void Hold(char* place, size_t bytes) { Fill(place, bytes, UINT64_MAX); }

static void HoldThp(size_t bytes) {
  char* place = Anonymous(bytes, MADV_HUGEPAGE);
  Hold(place, bytes);
  if (munmap(place + bytes - kHugePage / 2, kHugePage / 2) != 0) Die("munmap");
}

/* Pieces too small for a huge page. */
static void HoldLarge(size_t bytes) {
  for (size_t done = 0; done < bytes; done += 8 * kLargeFolio)
    Hold(Anonymous(8 * kLargeFolio, MADV_HUGEPAGE), 8 * kLargeFolio);
}

static void HoldLocked(size_t bytes) {
  char* place = Anonymous(bytes, MADV_NOHUGEPAGE);
  if (mlock(place, bytes) != 0) Die("mlock");
  Hold(place, bytes);
}

static void HoldKsm(size_t bytes) {
  char* place = Anonymous(bytes, MADV_NOHUGEPAGE);
  Fill(place, bytes, 64);
  Advise(place, bytes, MADV_MERGEABLE);
}

static void HoldSwap(size_t bytes) {
  char* place = Anonymous(bytes, MADV_NOHUGEPAGE);
  Hold(place, bytes);
  Advise(place, bytes, MADV_PAGEOUT);
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) {
    while (1) pause();
  }
  for (size_t at = 0; at < bytes / 2; at += kPage) (void)*(volatile char*)(place + at);
}

/* Of a file, or of the process where there is none. */
static char* Hugetlb(size_t pages, int of_file) {
  const size_t bytes = pages * kHugePage;
  const int file = of_file ? memfd_create("hold", MFD_HUGETLB) : -1;
  if (of_file && (file < 0 || ftruncate(file, (off_t)bytes) != 0)) Die("memfd_create");
  char* place = Map(bytes, of_file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, file);
  Hold(place, bytes);
  return place;
}

static void HoldTables(size_t tables) {
  char* place = Anonymous(tables * kHugePage, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < tables; ++i) place[i * kHugePage] = 1;
}

static void HoldPipes(unsigned pipes) {
  static char page[kPage];
  const struct rlimit limit = {2 * pipes + 16, 2 * pipes + 16};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) Die("setrlimit");
  for (unsigned i = 0; i < pipes; ++i) {
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], page, sizeof(page)) != sizeof(page)) Die("pipe");
  }
}

static void LookUpNames(unsigned names, const char* folder) {
  char path[256];
  struct stat found;
  for (unsigned i = 0; i < names; ++i) {
    snprintf(path, sizeof(path), "%.200s/not-there-%u", folder, i);
    if (stat(path, &found) == 0 || errno != ENOENT) Die(path);
  }
}

static void Poison(char* page, const char* what) {
  if (madvise(page, kPage, MADV_HWPOISON) != 0) Die(what);
}

/* Linux 6.12 sends SIGBUS for it, though nothing was touched. */
static void IgnoreError(int signal) { (void)signal; }

/* None of the poisoned pages is touched afterwards. */
static void HoldPoison(const char* path) {
  if (signal(SIGBUS, IgnoreError) == SIG_ERR) Die("signal");
  char* small = Anonymous(16 * kPage, MADV_NOHUGEPAGE);
  Hold(small, 16 * kPage);
  Poison(small + 5 * kPage, "poison a small page");

  char* huge = Anonymous(kHugePage, MADV_HUGEPAGE);
  Hold(huge, kHugePage);
  Poison(huge + 77 * kPage, "poison a page of a huge one");

  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) Die(path);
  char* cached = mmap(NULL, 16 * kPage, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
  if (cached == MAP_FAILED) Die(path);
  Poison(cached + 3 * kPage, "poison a page of a file");

  Poison(Hugetlb(1, 1) + 9 * kPage, "poison a page of hugetlb");
}

/* xorshift64: the same content in every run. */
static uint64_t Next(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static char* Heap(size_t bytes) { return Map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1); }

/* Of 64 bytes each: links into the heap, a virtual table, a length, flags, a hash that most lack.
 */
static void HoldObjects(size_t bytes) {
  char* place = Heap(bytes);
  const size_t count = bytes / 64;
  uint64_t state = 0x9e3779b97f4a7c15;
  for (size_t i = 0; i < count; ++i) {
    uint64_t* object = (uint64_t*)(place + i * 64);
    const uint64_t random = Next(&state);
    object[0] = 0x0000556b2a410d18 + (random >> 60) * 0x58;
    object[1] = (uint64_t)(uintptr_t)(place + (random & 0xffffffff) % count * 64);
    object[2] = i == 0 ? 0 : (uint64_t)(uintptr_t)(place + (i - 1) * 64);
    object[3] = random >> 40 & 0xff;
    object[4] = i;
    object[5] = (random >> 50 & 3) == 0 ? random : 0;
    object[6] = 0x21;
    object[7] = 0;
  }
}

static void HoldText(size_t bytes) {
  static const char* const kWords[] = {"INFO ",
                                       "WARN ",
                                       "GET /api/v2/orders/",
                                       " status=200",
                                       " status=404 ",
                                       "took ",
                                       "ms\n",
                                       "worker ",
                                       "client 10.",
                                       "{\"id\":",
                                       "\"state\":\"ready\",",
                                       "retry in ",
                                       "connection closed by peer\n",
                                       "scheduler: ",
                                       "cache miss for key ",
                                       "user="};
  char* place = Heap(bytes);
  uint64_t state = 0xd1b54a32d192ed03;
  for (size_t at = 0; at + 64 <= bytes;) {
    const uint64_t random = Next(&state);
    const char* word = kWords[random >> 60];
    at += (size_t)snprintf(place + at, 64, (random & 3) == 0 ? "%s%u" : "%s", word,
                           (unsigned)(random >> 40 & 0xffff));
  }
}

static void HoldRandom(size_t bytes) {
  uint64_t* words = (uint64_t*)Heap(bytes);
  uint64_t state = 0x94d049bb133111eb;
  for (size_t i = 0; i < bytes / sizeof(*words); ++i) words[i] = Next(&state);
}

static void HoldSparse(size_t bytes) {
  char* place = Heap(bytes);
  uint64_t state = 0xbf58476d1ce4e5b9;
  for (size_t page = 0; page < bytes / kPage; ++page) {
    for (unsigned i = 0; i < 6; ++i)
      *(uint64_t*)(place + page * kPage + (Next(&state) & 511) * 8) = Next(&state);
  }
}

static void Make(const char* kind, unsigned n, const char* path) {
  const size_t bytes = (size_t)n * kMiB;
  if (strcmp(kind, "anon") == 0) {
    Hold(Anonymous(bytes, MADV_NOHUGEPAGE), bytes);
  } else if (strcmp(kind, "locked") == 0) {
    HoldLocked(bytes);
  } else if (strcmp(kind, "thp") == 0) {
    HoldThp(bytes);
  } else if (strcmp(kind, "large") == 0) {
    HoldLarge(bytes);
  } else if (strcmp(kind, "shared") == 0) {
    Hold(Map(bytes, MAP_SHARED | MAP_ANONYMOUS, -1), bytes);
  } else if (strcmp(kind, "ksm") == 0) {
    HoldKsm(bytes);
  } else if (strcmp(kind, "swap") == 0) {
    HoldSwap(bytes);
  } else if (strcmp(kind, "hugetlb") == 0) {
    Hugetlb(n, 0);
  } else if (strcmp(kind, "hugetlb-file") == 0) {
    Hugetlb(n, 1);
  } else if (strcmp(kind, "tables") == 0) {
    HoldTables(n);
  } else if (strcmp(kind, "pipes") == 0) {
    HoldPipes(n);
  } else if (strcmp(kind, "names") == 0) {
    LookUpNames(n, path);
  } else if (strcmp(kind, "poison") == 0) {
    HoldPoison(path);
  } else if (strcmp(kind, "objects") == 0) {
    HoldObjects(bytes);
  } else if (strcmp(kind, "text") == 0) {
    HoldText(bytes);
  } else if (strcmp(kind, "random") == 0) {
    HoldRandom(bytes);
  } else if (strcmp(kind, "zero") == 0) {
    memset(Heap(bytes), 0, bytes);
  } else if (strcmp(kind, "sparse") == 0) {
    HoldSparse(bytes);
  } else {
    fprintf(stderr, "hold: %s: no such kind\n", kind);
    exit(2);
  }
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  int ends[2];
  if (pipe(ends) != 0) Die("pipe");
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) {
    Make(argv[1], (unsigned)strtoul(argv[2], NULL, 10), argc > 3 ? argv[3] : ".");
    if (write(ends[1], "+", 1) != 1) Die("ready");
    while (1) pause();
  }
  close(ends[1]);
  char ready;
  return read(ends[0], &ready, 1) == 1 ? 0 : 1;
}
