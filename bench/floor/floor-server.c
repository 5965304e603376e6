/*
 * The floor of the benchmark: an NBD server that does the least work that still answers. It shows
 * what protocol, loopback and client cost on this machine before any server has done anything, so
 * that "twice the floor" means something.
 *
 *   floor-server PORT IMAGE [poll]    serves a copy of IMAGE in memory on 127.0.0.1:PORT until killed
 *
 * One thread a connection. Every read(2) of the socket takes as many requests as there are, every
 * writev(2) answers as many as fit, straight out of the image: no copy, no lock, no allocation.
 * With `poll` the thread waits in epoll_wait(2) before each read, as a server must that waits for more than
 * one client in a thread: the floor of event loops.
 *
 * Fixed newstyle handshake (EXPORT_NAME, INFO, GO, ABORT; any name will do), simple replies,
 * read-only. What it does not know it refuses; what breaks the protocol ends the connection.
 */
#define _GNU_SOURCE
#include "threads.h"
#include <sys/epoll.h>

enum {
  MAX_BATCH = IOV_MAX / 2,  /* requests answered by one writev: header and data each */
  INBOX_BYTES = 64 << 10    /* taken from the socket at once: some 2,300 requests */
};
#define TRANSMISSION_FLAGS (FLAG_HAS_FLAGS | FLAG_READ_ONLY | FLAG_CAN_MULTI_CONN)

static bool polls;

static uint32_t error_of(uint16_t type, uint64_t offset, uint32_t length) {
  if (type == CMD_WRITE) return NBD_EPERM;
  if (type != CMD_READ || length == 0 || length > MAX_READ_BYTES) return NBD_EINVAL;
  return offset > image_bytes || length > image_bytes - offset ? NBD_EINVAL : 0;
}

/* Waits for bytes of the socket in a set of descriptors, of which it is the only one. */
static ssize_t read_polled(int poll_file, int socket, void *target, size_t bytes) {
  struct epoll_event event;
  while (poll_file >= 0 && epoll_wait(poll_file, &event, 1, -1) < 0)
    if (errno != EINTR) return -1;
  return read(socket, target, bytes);
}

static int poll_file_of(int socket) {
  if (!polls) return -1;
  int poll_file = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  if (poll_file < 0 || epoll_ctl(poll_file, EPOLL_CTL_ADD, socket, &event) < 0) fail("epoll");
  return poll_file;
}

static void transmit(int socket, int poll_file) {
  uint8_t inbox[INBOX_BYTES], headers[MAX_BATCH][REPLY_BYTES];
  struct iovec parts[2 * MAX_BATCH];
  size_t have = 0;
  uint64_t skip = 0; /* bytes of a refused write that are still to come */

  for (ssize_t count; (count = read_polled(poll_file, socket, inbox + have, sizeof inbox - have)) > 0;) {
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
  int poll_file = poll_file_of(socket);
  if (shake_hands(socket, image_bytes, TRANSMISSION_FLAGS, name)) transmit(socket, poll_file);
  if (poll_file >= 0) close(poll_file);
  close(socket);
  return NULL;
}

int main(int count, char **arguments) {
  polls = count == 4 && strcmp(arguments[3], "poll") == 0;
  if (count != 3 && !polls) {
    fprintf(stderr, "usage: floor-server PORT IMAGE [poll]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  load(arguments[2]);
  serve_each(arguments[1], serve);
}
