/*
 * What the floor servers share: numbers of the protocol, bytes, and the handshake. Fixed newstyle
 * (EXPORT_NAME, INFO, GO, ABORT; any name will do), simple replies. What is not known is refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  OPT_EXPORT_NAME = 1, OPT_ABORT = 2, OPT_INFO = 6, OPT_GO = 7,
  REP_ACK = 1, REP_INFO = 3, INFO_EXPORT = 0,
  CMD_READ = 0, CMD_WRITE = 1, CMD_DISC = 2, CMD_FLUSH = 3,
  FLAG_FIXED_NEWSTYLE = 1, FLAG_NO_ZEROES = 2,
  FLAG_HAS_FLAGS = 1, FLAG_READ_ONLY = 2, FLAG_SEND_FLUSH = 4, FLAG_CAN_MULTI_CONN = 256,
  NBD_EPERM = 1, NBD_EIO = 5, NBD_EINVAL = 22,
  REQUEST_BYTES = 28, REPLY_BYTES = 16, OPTION_BYTES = 16,
  MAX_NAME_BYTES = 255,
  MAX_OPTION_BYTES = 8192,   /* longest option data that is read; a name has at most 4096 */
  MAX_READ_BYTES = 32 << 20  /* longest read that is answered; the usual limit of servers */
};
#define REP_ERR_UNSUP 0x80000001u
#define REP_ERR_INVALID 0x80000003u
#define OPTION_MAGIC "IHAVEOPT"
#define OPTION_REPLY_MAGIC 0x0003e889045565a9ull
#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC 0x67446698u

static void put(uint8_t *at, uint64_t value, int bytes) {
  while (bytes-- > 0) {
    at[bytes] = value & 0xff;
    value >>= 8;
  }
}

static uint64_t get(const uint8_t *at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

static bool read_all(int socket, void *target, size_t bytes) {
  for (uint8_t *at = target; bytes > 0;) {
    ssize_t count = read(socket, at, bytes);
    if (count <= 0) return false;
    at += count;
    bytes -= count;
  }
  return true;
}

/* Cuts bytes that are done off the front of `parts`. Returns how many parts are left. */
static int cut_front(struct iovec **parts, int count, size_t bytes) {
  for (; count > 0 && bytes >= (*parts)->iov_len; (*parts)++, count--) bytes -= (*parts)->iov_len;
  if (count > 0) {
    (*parts)->iov_base = (uint8_t *)(*parts)->iov_base + bytes;
    (*parts)->iov_len -= bytes;
  }
  return count;
}

/* Sends all of it, and changes `parts` on the way. */
static bool send_all(int socket, struct iovec *parts, int count) {
  while (count > 0) {
    ssize_t sent = writev(socket, parts, count);
    if (sent < 0) return false;
    count = cut_front(&parts, count, sent);
  }
  return true;
}

static bool send_bytes(int socket, void *bytes, size_t length) {
  return send_all(socket, &(struct iovec){bytes, length}, 1);
}

static bool send_option_reply(int socket, uint32_t option, uint32_t type, const void *data,
                              uint32_t length) {
  uint8_t reply[64];
  put(reply, OPTION_REPLY_MAGIC, 8);
  put(reply + 8, option, 4);
  put(reply + 12, type, 4);
  put(reply + 16, length, 4);
  if (length > 0) memcpy(reply + 20, data, length);
  return send_bytes(socket, reply, 20 + length);
}

/* Data of INFO and GO: name length (4), name, number of wanted infos (2), infos (2 each). */
static bool is_info_request(const uint8_t *data, uint32_t length) {
  if (length < 6) return false;
  uint64_t name = get(data, 4);
  if (name > length - 6) return false;
  return length == 6 + name + 2 * get(data + 4 + name, 2);
}

static void keep_name(char *name, const uint8_t *data, size_t length) {
  if (length > MAX_NAME_BYTES) length = MAX_NAME_BYTES;
  memcpy(name, data, length);
  name[length] = 0;
}

/*
 * To the end of the handshake of an export of `bytes`, with the transmission flags `flags`. Returns whether
 * transmission begins; then `name` (MAX_NAME_BYTES + 1) is what was asked for.
 */
static bool shake_hands(int socket, uint64_t bytes, uint16_t flags, char *name) {
  uint8_t greeting[18] = "NBDMAGIC" OPTION_MAGIC;
  put(greeting + 16, FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES, 2);
  uint8_t client[4];
  if (!send_bytes(socket, greeting, sizeof greeting)) return false;
  if (!read_all(socket, client, sizeof client)) return false;
  bool no_zeroes = get(client, 4) & FLAG_NO_ZEROES;

  for (;;) {
    uint8_t header[OPTION_BYTES], data[MAX_OPTION_BYTES];
    if (!read_all(socket, header, sizeof header)) return false;
    if (memcmp(header, OPTION_MAGIC, 8) != 0) return false;
    uint32_t option = get(header + 8, 4), length = get(header + 12, 4);
    if (length > sizeof data || !read_all(socket, data, length)) return false;

    if (option == OPT_EXPORT_NAME) {
      uint8_t answer[10 + 124] = {0};
      keep_name(name, data, length);
      put(answer, bytes, 8);
      put(answer + 8, flags, 2);
      return send_bytes(socket, answer, no_zeroes ? 10 : sizeof answer);
    }
    if (option == OPT_ABORT) {
      send_option_reply(socket, option, REP_ACK, NULL, 0);
      return false;
    }
    bool known = option == OPT_INFO || option == OPT_GO;
    uint32_t refusal = known ? REP_ERR_INVALID : REP_ERR_UNSUP;
    uint32_t verdict = known && is_info_request(data, length) ? REP_ACK : refusal;
    if (verdict == REP_ACK) {
      uint8_t info[12];
      put(info, INFO_EXPORT, 2);
      put(info + 2, bytes, 8);
      put(info + 10, flags, 2);
      if (!send_option_reply(socket, option, REP_INFO, info, sizeof info)) return false;
    }
    if (!send_option_reply(socket, option, verdict, NULL, 0)) return false;
    if (verdict == REP_ACK && option == OPT_GO) {
      keep_name(name, data + 4, get(data, 4));
      return true;
    }
  }
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Listens on 127.0.0.1. */
static int listen_on(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(listener, SOMAXCONN) < 0) fail("listen");
  return listener;
}

/* The next client. */
static int accept_from(int listener) {
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0 && errno == ECONNABORTED) continue; /* it left before it was accepted */
    if (client < 0) fail("accept");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return client;
  }
}
