/*
 * The floor of writes to a disk of one's own: an NBD server that does the least work that still puts
 * every block where it belongs. What is written goes to its place in a sparse file, so that the
 * first write of a block costs what the file system asks for giving it a place; what was not written
 * is read from memory.
 *
 *   sparse-floor PORT IMAGE FILE    serves IMAGE, with writes to FILE, on 127.0.0.1:PORT until killed
 *
 * One thread a connection, one pwrite(2) a request, one writev(2) for the answers to all requests
 * that one read(2) of the socket brought. No lock, no check of overlapping requests, nothing that survives
 * the process: which blocks were written is a byte each, in memory. A flush has nothing to do.
 */
#define _GNU_SOURCE
#include "threads.h"

enum {
  BLOCK_BYTES = 4096,
  MAX_BATCH = IOV_MAX / 2,       /* requests answered by one writev: header and data each */
  MAX_REQUEST_BYTES = 1 << 20,   /* longest read and write */
  INBOX_BYTES = 2 << 20,         /* taken from the socket at once: a longest write fits */
  OUTBOX_BYTES = 8 << 20         /* data of the reads that one writev answers */
};
#define TRANSMISSION_FLAGS (FLAG_HAS_FLAGS | FLAG_SEND_FLUSH)

static uint8_t *written; /* whether each block was */
static int file;

static bool write_at(const uint8_t *bytes, size_t length, uint64_t offset) {
  while (length > 0) {
    ssize_t count = pwrite(file, bytes, length, offset);
    if (count <= 0) return false;
    bytes += count;
    length -= count;
    offset += count;
  }
  return true;
}

/* A block that was written in part only reads as zeroes elsewhere: clients write whole ones. */
static bool read_at(uint8_t *target, size_t length, uint64_t offset) {
  memcpy(target, image + offset, length);
  for (uint64_t end = offset + length, next; offset < end; target += next - offset, offset = next) {
    next = (offset / BLOCK_BYTES + 1) * BLOCK_BYTES;
    if (next > end) next = end;
    size_t piece = next - offset;
    if (!written[offset / BLOCK_BYTES]) continue;
    if (pread(file, target, piece, offset) != (ssize_t)piece) return false;
  }
  return true;
}

static uint32_t error_of(uint16_t type, uint64_t offset, uint32_t length) {
  if (type == CMD_FLUSH) return 0;
  if ((type != CMD_READ && type != CMD_WRITE) || length == 0) return NBD_EINVAL;
  return offset > image_bytes || length > image_bytes - offset ? NBD_EINVAL : 0;
}

static uint32_t do_write(const uint8_t *payload, uint64_t offset, uint32_t length) {
  if (!write_at(payload, length, offset)) return NBD_EIO;
  memset(written + offset / BLOCK_BYTES, 1, (length + BLOCK_BYTES - 1) / BLOCK_BYTES);
  return 0;
}

static void transmit(int socket, uint8_t *inbox, uint8_t *outbox) {
  uint8_t headers[MAX_BATCH][REPLY_BYTES];
  struct iovec parts[2 * MAX_BATCH];
  size_t have = 0;

  for (ssize_t count; (count = read(socket, inbox + have, INBOX_BYTES - have)) > 0;) {
    have += count;
    size_t at = 0;
    bool more = true;
    while (more) {
      int replies = 0, used = 0;
      size_t filled = 0;
      for (; replies < MAX_BATCH; replies++) {
        if (have - at < REQUEST_BYTES) break;
        const uint8_t *request = inbox + at;
        uint16_t type = get(request + 6, 2);
        uint64_t offset = get(request + 16, 8);
        uint32_t length = get(request + 24, 4);
        if (get(request, 4) != REQUEST_MAGIC || type == CMD_DISC || length > MAX_REQUEST_BYTES) {
          send_all(socket, parts, used);
          return;
        }
        size_t payload = type == CMD_WRITE ? length : 0;
        if (have - at < REQUEST_BYTES + payload) break;
        if (type == CMD_READ && OUTBOX_BYTES - filled < length) break;
        uint32_t error = error_of(type, offset, length);
        if (error == 0 && type == CMD_WRITE)
          error = do_write(request + REQUEST_BYTES, offset, length);
        if (error == 0 && type == CMD_READ && !read_at(outbox + filled, length, offset))
          error = NBD_EIO;
        put(headers[replies], REPLY_MAGIC, 4);
        put(headers[replies] + 4, error, 4);
        memcpy(headers[replies] + 8, request + 8, 8); /* the cookie */
        parts[used++] = (struct iovec){headers[replies], REPLY_BYTES};
        if (error == 0 && type == CMD_READ) {
          parts[used++] = (struct iovec){outbox + filled, length};
          filled += length;
        }
        at += REQUEST_BYTES + payload;
      }
      if (!send_all(socket, parts, used)) return;
      more = replies > 0;
    }
    memmove(inbox, inbox + at, have - at);
    have -= at;
  }
}

static void *serve(void *argument) {
  int socket = (intptr_t)argument;
  char name[MAX_NAME_BYTES + 1];
  uint8_t *inbox = malloc(INBOX_BYTES), *outbox = malloc(OUTBOX_BYTES);
  if (inbox != NULL && outbox != NULL && shake_hands(socket, image_bytes, TRANSMISSION_FLAGS, name))
    transmit(socket, inbox, outbox);
  free(inbox);
  free(outbox);
  close(socket);
  return NULL;
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: sparse-floor PORT IMAGE FILE\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  load(arguments[2]);
  written = calloc(image_bytes / BLOCK_BYTES + 1, 1);
  if (written == NULL) fail("memory for what was written");
  file = open(arguments[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, image_bytes) < 0) fail(arguments[3]);
  serve_each(arguments[1], serve);
}
