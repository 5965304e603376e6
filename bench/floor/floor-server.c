/*
 * The floor of the benchmark: an NBD server that does the least work that still answers. It shows
 * what protocol, loopback and client cost on this machine before any server has done anything, so
 * that "twice the floor" means something.
 *
 *   floor-server PORT IMAGE    serves a copy of IMAGE in memory on 127.0.0.1:PORT until killed
 *
 * One thread a connection. Every read(2) of the socket takes as many requests as there are, every
 * writev(2) answers as many as fit, straight out of the image: no copy, no lock, no allocation.
 *
 * Fixed newstyle handshake (EXPORT_NAME, INFO, GO, ABORT; any name will do), simple replies,
 * read-only. What it does not know it refuses; what breaks the protocol ends the connection.
 */
#define _GNU_SOURCE
#include "protocol.h"
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

enum {
  MAX_BATCH = IOV_MAX / 2,  /* requests answered by one writev: header and data each */
  INBOX_BYTES = 64 << 10    /* taken from the socket at once: some 2,300 requests */
};
#define TRANSMISSION_FLAGS (FLAG_HAS_FLAGS | FLAG_READ_ONLY | FLAG_CAN_MULTI_CONN)

static uint8_t *image;
static uint64_t image_bytes;

static uint32_t error_of(uint16_t type, uint64_t offset, uint32_t length) {
  if (type == CMD_WRITE) return NBD_EPERM;
  if (type != CMD_READ || length == 0 || length > MAX_READ_BYTES) return NBD_EINVAL;
  return offset > image_bytes || length > image_bytes - offset ? NBD_EINVAL : 0;
}

static void transmit(int socket) {
  uint8_t inbox[INBOX_BYTES], headers[MAX_BATCH][REPLY_BYTES];
  struct iovec parts[2 * MAX_BATCH];
  size_t have = 0;
  uint64_t skip = 0; /* bytes of a refused write that are still to come */

  for (ssize_t count; (count = read(socket, inbox + have, sizeof inbox - have)) > 0;) {
    have += count;
    size_t at = 0;
    do {
      int replies = 0, used = 0;
      for (; replies < MAX_BATCH; replies++) {
        size_t skipped = skip < have - at ? skip : have - at;
        at += skipped;
        skip -= skipped;
        if (have - at < REQUEST_BYTES) break;
        const uint8_t *request = inbox + at;
        uint16_t type = get(request + 6, 2);
        uint64_t offset = get(request + 16, 8);
        uint32_t length = get(request + 24, 4);
        at += REQUEST_BYTES;
        if (get(request, 4) != REQUEST_MAGIC || type == CMD_DISC) {
          send_all(socket, parts, used);
          return;
        }
        if (type == CMD_WRITE) skip = length;
        uint32_t error = error_of(type, offset, length);
        put(headers[replies], REPLY_MAGIC, 4);
        put(headers[replies] + 4, error, 4);
        memcpy(headers[replies] + 8, request + 8, 8); /* the cookie */
        parts[used++] = (struct iovec){headers[replies], REPLY_BYTES};
        if (error == 0) parts[used++] = (struct iovec){image + offset, length};
      }
      if (!send_all(socket, parts, used)) return;
    } while (have - at >= REQUEST_BYTES);
    memmove(inbox, inbox + at, have - at);
    have -= at;
  }
}

static void *serve(void *argument) {
  int socket = (intptr_t)argument;
  char name[MAX_NAME_BYTES + 1];
  if (shake_hands(socket, image_bytes, TRANSMISSION_FLAGS, name)) transmit(socket);
  close(socket);
  return NULL;
}

static void load(const char *path) {
  struct stat status;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &status) < 0) fail(path);
  image_bytes = status.st_size;
  image = malloc(image_bytes);
  if (image == NULL) fail("memory for the image");
  if (!read_all(file, image, image_bytes)) fail(path);
  close(file);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: floor-server PORT IMAGE\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  load(arguments[2]);
  for (int listener = listen_on(arguments[1]);;) {
    int client = accept_from(listener);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)client) == 0) pthread_detach(thread);
    else close(client);
  }
}
