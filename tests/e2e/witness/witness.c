// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * witness DIR CPU WORD [SPIN_CPU]: writes down what /proc says of every task, then makes the kernel
 * fail.
 *
 * Runs inside the guest, static. The snapshots DIR/tasks.0, DIR/tasks.1, ... are taken between
 * flushes of the target, so that what the writing itself disturbs is told apart from what stands
 * still: a task that is the same in all of them must be the same in the dump. DIR/witness says who
 * failed where. WORD goes to /proc/quartz, or is "sysrq" for sysrq-c. With SPIN_CPU a child named
 * "basalt" keeps that CPU busy inside the kernel. A second thread named "gabbro" reads from a pipe
 * that nobody writes to.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { kSnapshots = 3 };

static void Die(const char* what) {
  perror(what);
  exit(1);
}

static void Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) Die("sched_setaffinity");
}

/* Copies the lines of a file of /proc that contain `part` as "KEY text"; a task that went away
 * leaves none. */
static void CopyLines(FILE* out, const char* key, const char* path, const char* part) {
  static char line[8192];
  FILE* in = fopen(path, "r");
  if (in == NULL) return;
  while (fgets(line, sizeof(line), in) != NULL) {
    if (strstr(line, part) != NULL)
      fprintf(out, "%s %s%s", key, line, strchr(line, '\n') ? "" : "\n");
  }
  fclose(in);
}

static int IsNumber(const char* text) { return text[0] >= '0' && text[0] <= '9'; }

static void Snapshot(const char* path) {
  char name[512];
  FILE* out = fopen(path, "w");
  if (out == NULL) Die(path);
  DIR* processes = opendir("/proc");
  if (processes == NULL) Die("/proc");
  for (struct dirent* process; (process = readdir(processes)) != NULL;) {
    if (!IsNumber(process->d_name)) continue;
    snprintf(name, sizeof(name), "/proc/%.20s/task", process->d_name);
    DIR* threads = opendir(name);
    if (threads == NULL) continue;
    for (struct dirent* thread; (thread = readdir(threads)) != NULL;) {
      if (!IsNumber(thread->d_name)) continue;
      fprintf(out, "task %.20s %.20s\n", process->d_name, thread->d_name);
      static const struct {
        const char *name, *part;
      } kFiles[] = {{"stat", ""}, {"status", "ctxt_switches"}, {"stack", ""}};
      for (unsigned i = 0; i < sizeof(kFiles) / sizeof(kFiles[0]); ++i) {
        snprintf(name, sizeof(name), "/proc/%.20s/task/%.20s/%s", process->d_name, thread->d_name,
                 kFiles[i].name);
        CopyLines(out, kFiles[i].name, name, kFiles[i].part);
      }
    }
    closedir(threads);
  }
  closedir(processes);
  if (fflush(out) != 0 || fsync(fileno(out)) != 0) Die(path);
  fclose(out);
}

static void Note(const char* path, const char* format, ...) {
  FILE* out = fopen(path, "a");
  if (out == NULL) Die(path);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(out, format, arguments);
  va_end(arguments);
  if (fflush(out) != 0 || fsync(fileno(out)) != 0) Die(path);
  fclose(out);
}

static void Tell(const char* path, const char* word) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, word, strlen(word)) < 0) Die(path);
  close(file);
}

static void* Block(void* pipe_end) {
  char byte;
  prctl(PR_SET_NAME, "gabbro");
  if (read(*(const int*)pipe_end, &byte, 1) < 0) Die("pipe");
  return NULL;
}

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const char* directory = argv[1];
  const int cpu = atoi(argv[2]);
  const char* word = argv[3];
  char path[512];

  int child = 0;
  if (argc > 4) {
    child = fork();
    if (child < 0) Die("fork");
    if (child == 0) {
      prctl(PR_SET_NAME, "basalt");
      Pin(atoi(argv[4]));
      Tell("/proc/quartz", "spin");
      exit(1);
    }
  }

  /* It blocks while the note below is flushed to disk, before the first snapshot. */
  int ends[2];
  pthread_t thread;
  if (pipe(ends) != 0) Die("pipe");
  if (pthread_create(&thread, NULL, Block, &ends[0]) != 0) Die("pthread_create");

  Pin(cpu);
  snprintf(path, sizeof(path), "%s/witness", directory);
  Note(path, "pid %d\ncomm witness\ncpu %d\nspinner %d\n", getpid(), cpu, child);
  for (int i = 0; i < kSnapshots; ++i) {
    snprintf(path, sizeof(path), "%s/tasks.%d", directory, i);
    Snapshot(path);
    if (i + 1 == kSnapshots) break;
    sync();
    usleep(100 * 1000);
  }

  /* Through the kernel's log, whose lines nothing tears apart on the console. */
  Tell("/dev/kmsg", "hmem-guest: trigger\n");
  const int sysrq = strcmp(word, "sysrq") == 0;
  Tell(sysrq ? "/proc/sysrq-trigger" : "/proc/quartz", sysrq ? "c" : word);
  fprintf(stderr, "hmem-guest: still alive after %s\n", word);
  return 1;
}
