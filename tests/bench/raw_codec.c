// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * raw_codec lz4|zstd FILE: packs FILE in blocks of 64 KiB and throws away what comes of it. Prints
 * "RAW_BYTES PACKED_BYTES SECONDS", CPU seconds of the codec alone: what no dump packed on one core
 * can be faster than.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <lz4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

enum { kBlock = 64 << 10, kWindow = 1 << 20 };

static double CpuSeconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t Pack(ZSTD_CCtx* zstd, const char* raw, size_t bytes, char* out, size_t room) {
  if (zstd == NULL) return (size_t)LZ4_compress_default(raw, out, (int)bytes, (int)room);
  const size_t packed = ZSTD_compressCCtx(zstd, out, room, raw, bytes, 1);
  return ZSTD_isError(packed) ? 0 : packed;
}

int main(int argc, char** argv) {
  if (argc != 3 || (strcmp(argv[1], "lz4") != 0 && strcmp(argv[1], "zstd") != 0)) return 2;
  ZSTD_CCtx* zstd = strcmp(argv[1], "zstd") == 0 ? ZSTD_createCCtx() : NULL;
  const int file = open(argv[2], O_RDONLY | O_CLOEXEC);
  const size_t room = 2 * kBlock;
  char* window = malloc(kWindow);
  char* out = malloc(room);
  if (file < 0 || window == NULL || out == NULL) {
    perror(argv[2]);
    return 1;
  }
  uint64_t raw_bytes = 0, packed_bytes = 0;
  double seconds = 0;
  ssize_t got;
  while ((got = read(file, window, kWindow)) > 0) {
    const double start = CpuSeconds();
    for (size_t at = 0; at < (size_t)got; at += kBlock) {
      const size_t bytes = (size_t)got - at < kBlock ? (size_t)got - at : kBlock;
      const size_t packed = Pack(zstd, window + at, bytes, out, room);
      packed_bytes += packed != 0 && packed < bytes ? packed : bytes;
    }
    seconds += CpuSeconds() - start;
    raw_bytes += (uint64_t)got;
  }
  if (got < 0) {
    perror(argv[2]);
    return 1;
  }
  printf("%llu %llu %.3f\n", (unsigned long long)raw_bytes, (unsigned long long)packed_bytes,
         seconds);
  return 0;
}
