/*
 * The floor of opening write caches: reads what is in both maps of each, compares it, counts the bits of every page, and
 * touches as much memory that nobody had before as lists of the pages in use take. Nothing is packed, checked or shared.
 *
 *   open-floor MAP_BYTES LIVE_OFFSET FILE...    prints how long each took, in milliseconds
 *
 * The durable map comes right after the live one, as in src/vdisk/overlay/map-layout.ts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, LIST_BYTES = 1024 };

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int bits_of(const uint8_t *page) {
  int total = 0;
  for (size_t at = 0; at < PAGE_BYTES; at += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, page + at, sizeof word);
    total += __builtin_popcountll(word);
  }
  return total;
}

/* Reads [from, to) of both maps and takes memory for what is there. Nothing is ever given back: the next one's must be new, too. */
static void load(int file, off_t from, off_t to, size_t map_bytes, uint8_t *live, uint8_t *durable) {
  ssize_t length = to - from;
  if (pread(file, live, length, from) != length) fail("pread");
  if (pread(file, durable, length, from + map_bytes) != length) fail("pread");
  uint8_t *lists = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (lists == MAP_FAILED) fail("mmap");
  size_t used = 0;
  for (ssize_t at = 0; at < length; at += PAGE_BYTES) {
    if (memcmp(live + at, durable + at, PAGE_BYTES) != 0 || bits_of(live + at) == 0) continue;
    memcpy(lists + used, live + at, LIST_BYTES);
    used += LIST_BYTES;
  }
}

/* What was never written is a hole of the file, and there is nothing to read of it. */
static void open_one(const char *path, size_t map_bytes, off_t live_offset, uint8_t *live, uint8_t *durable) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path);
  off_t end = live_offset + map_bytes;
  for (off_t from = live_offset; from < end;) {
    from = lseek(file, from, SEEK_DATA);
    if (from < 0 && errno != ENXIO) fail("lseek");
    if (from < 0 || from >= end) break;
    off_t to = lseek(file, from, SEEK_HOLE);
    if (to < 0) fail("lseek");
    if (to > end) to = end;
    load(file, from, to, map_bytes, live, durable);
    from = to;
  }
  close(file);
}

int main(int count, char **arguments) {
  if (count < 4) {
    fprintf(stderr, "usage: open-floor MAP_BYTES LIVE_OFFSET FILE...\n");
    return 2;
  }
  size_t map_bytes = strtoull(arguments[1], NULL, 10);
  off_t live_offset = strtoull(arguments[2], NULL, 10);
  uint8_t *live = malloc(map_bytes), *durable = malloc(map_bytes);
  if (live == NULL || durable == NULL) fail("malloc");
  for (int number = 3; number < count; number++) {
    double started = now_ms();
    open_one(arguments[number], map_bytes, live_offset, live, durable);
    printf("%.3f\n", now_ms() - started);
  }
  return 0;
}
