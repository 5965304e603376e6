/*
 * The floor of flushed writes: an NBD server that does the least work after which a flush may be
 * answered. Each flushed block goes to stable storage once, in a log; all flushes that come while one
 * sync runs share the next one.
 *
 *   durable-floor PORT IMAGE LOG    serves on 127.0.0.1:PORT until killed; LOG is made
 *
 * Every export name is a private, writable view of IMAGE in memory, for as long as the server runs. One
 * thread takes requests from all sockets; another appends what was written since the last flush to the
 * log, syncs it and answers. The log is filled with zeroes first, so that a sync changes nothing but
 * data, and is used again from its beginning when it is full: nothing is ever moved to another place,
 * and nothing reads it, which is what a real server cannot leave out.
 */
#define _GNU_SOURCE
#include "protocol.h"
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
  PAGE = 4096,
  LOG_BYTES = 256 << 20,
  BATCH_BYTES = 16 << 20,
  INBOX_BYTES = 1 << 20,              /* a request with all it brings must fit */
  MAX_REPLIES = IOV_MAX / 2,          /* answered by one writev: header and data each */
  MAX_RANGES = 4096,                  /* written by one connection between two flushes */
  RANGE_BYTES = 16,
  MAX_EVENTS = 256
};
#define TRANSMISSION_FLAGS (FLAG_HAS_FLAGS | FLAG_SEND_FLUSH)

struct range { uint64_t offset; uint32_t length; };

struct export {
  struct export *next;
  uint8_t *bytes;
  char name[MAX_NAME_BYTES + 1];
};

struct connection {
  int socket;
  atomic_int holders;                 /* the thread of requests, and each flush under way */
  pthread_mutex_t sending;
  uint8_t *bytes;                     /* of its export */
  size_t have;
  uint32_t count;                     /* of ranges */
  struct range ranges[MAX_RANGES];
  uint8_t inbox[INBOX_BYTES];
};

struct flush {
  struct flush *next;
  struct connection *connection;
  uint8_t cookie[8];
  uint32_t count;
  struct range ranges[];
};

static int image_file, log_file, poll_file;
static uint64_t image_bytes;
static struct export *exports;
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;
static struct flush *queue, **queue_end = &queue;

static void release(struct connection *connection) {
  if (atomic_fetch_sub(&connection->holders, 1) > 1) return;
  close(connection->socket);
  free(connection);
}

static bool answer(struct connection *connection, struct iovec *parts, int count) {
  pthread_mutex_lock(&connection->sending);
  bool sent = send_all(connection->socket, parts, count);
  pthread_mutex_unlock(&connection->sending);
  return sent;
}

static void write_reply(uint8_t *reply, uint32_t error, const uint8_t *cookie) {
  put(reply, REPLY_MAGIC, 4);
  put(reply + 4, error, 4);
  memcpy(reply + 8, cookie, 8);
}

/* Appends parts to the log; returns where the log goes on. */
static uint64_t append(struct iovec *parts, int count, uint64_t at) {
  while (count > 0) {
    int some = count < IOV_MAX ? count : IOV_MAX;
    ssize_t written = pwritev(log_file, parts, some, at);
    if (written < 0) fail("the log");
    at += written;
    count = cut_front(&parts, count, written);
  }
  return at;
}

/* A batch: a table of its ranges, then their bytes, each from a page boundary. */
static uint64_t log_batch(const struct flush *batch, uint64_t at) {
  static const uint8_t padding[PAGE];
  size_t ranges = 0;
  for (const struct flush *flush = batch; flush; flush = flush->next) ranges += flush->count;
  if (ranges == 0) return at;
  size_t table_bytes = (ranges * RANGE_BYTES + PAGE - 1) / PAGE * PAGE;
  uint8_t *table = calloc(1, table_bytes);
  struct iovec *parts = malloc((1 + 2 * ranges) * sizeof *parts);
  if (table == NULL || parts == NULL) fail("memory for a batch");
  int used = 0;
  size_t row = 0, bytes = table_bytes;
  parts[used++] = (struct iovec){table, table_bytes};
  for (const struct flush *flush = batch; flush; flush = flush->next) {
    for (uint32_t i = 0; i < flush->count; i++) {
      const struct range *range = &flush->ranges[i];
      put(table + row, range->offset, 8);
      put(table + row + 8, range->length, 4);
      row += RANGE_BYTES;
      parts[used++] = (struct iovec){flush->connection->bytes + range->offset, range->length};
      size_t short_of_page = -range->length % PAGE;
      if (short_of_page > 0) parts[used++] = (struct iovec){(void *)padding, short_of_page};
      bytes += range->length + short_of_page;
    }
  }
  if (bytes > LOG_BYTES) fail("a batch longer than the log");
  at = append(parts, used, at + bytes > LOG_BYTES ? 0 : at);
  free(parts);
  free(table);
  if (fdatasync(log_file) < 0) fail("the log");
  return at;
}

/* The flushes at the head of the queue, at least one, that are no more than a batch. */
static struct flush *take_batch(void) {
  struct flush *first = queue, **end = &queue;
  uint64_t bytes = 0;
  while (*end != NULL) {
    for (uint32_t i = 0; i < (*end)->count; i++) bytes += (*end)->ranges[i].length + PAGE;
    if (bytes > BATCH_BYTES && *end != first) break;
    end = &(*end)->next;
  }
  queue = *end;
  if (queue == NULL) queue_end = &queue;
  *end = NULL;
  return first;
}

static void *sync_flushes(void *unused) {
  uint64_t at = 0;
  for (;;) {
    pthread_mutex_lock(&queue_lock);
    while (queue == NULL) pthread_cond_wait(&queue_filled, &queue_lock);
    struct flush *batch = take_batch();
    pthread_mutex_unlock(&queue_lock);
    at = log_batch(batch, at);
    while (batch != NULL) {
      struct flush *flush = batch;
      batch = flush->next;
      uint8_t reply[REPLY_BYTES];
      write_reply(reply, 0, flush->cookie);
      answer(flush->connection, &(struct iovec){reply, sizeof reply}, 1);
      release(flush->connection);
      free(flush);
    }
  }
  return unused;
}

static void enqueue_flush(struct connection *connection, const uint8_t *cookie) {
  size_t bytes = connection->count * sizeof(struct range);
  struct flush *flush = malloc(sizeof *flush + bytes);
  if (flush == NULL) fail("memory for a flush");
  flush->next = NULL;
  flush->connection = connection;
  memcpy(flush->cookie, cookie, sizeof flush->cookie);
  flush->count = connection->count;
  memcpy(flush->ranges, connection->ranges, bytes);
  connection->count = 0;
  atomic_fetch_add(&connection->holders, 1);
  pthread_mutex_lock(&queue_lock);
  *queue_end = flush;
  queue_end = &flush->next;
  pthread_cond_signal(&queue_filled);
  pthread_mutex_unlock(&queue_lock);
}

static uint32_t execute(struct connection *connection, uint16_t type, uint64_t offset,
                        uint32_t length, const uint8_t *payload) {
  if (type != CMD_READ && type != CMD_WRITE) return NBD_EINVAL;
  if (length == 0 || length > MAX_READ_BYTES) return NBD_EINVAL;
  if (offset > image_bytes || length > image_bytes - offset) return NBD_EINVAL;
  if (type == CMD_READ) return 0;
  if (connection->count == MAX_RANGES) return NBD_EIO;
  memcpy(connection->bytes + offset, payload, length);
  connection->ranges[connection->count++] = (struct range){offset, length};
  return 0;
}

/* Everything that is there as a whole. Returns whether the connection lives on. */
static bool handle(struct connection *connection) {
  static uint8_t headers[MAX_REPLIES][REPLY_BYTES];
  static struct iovec parts[2 * MAX_REPLIES];
  uint8_t *inbox = connection->inbox;
  size_t at = 0;
  bool more = true;
  while (more) {
    int replies = 0, used = 0;
    more = false;
    while (connection->have - at >= REQUEST_BYTES) {
      if (replies == MAX_REPLIES) {
        more = true;
        break;
      }
      const uint8_t *request = inbox + at;
      uint16_t type = get(request + 6, 2);
      uint64_t offset = get(request + 16, 8);
      uint32_t length = get(request + 24, 4);
      if (get(request, 4) != REQUEST_MAGIC || type == CMD_DISC) return false;
      size_t whole = REQUEST_BYTES + (type == CMD_WRITE ? length : 0);
      if (whole > INBOX_BYTES) return false;
      if (connection->have - at < whole) break;
      at += whole;
      if (type == CMD_FLUSH) {
        enqueue_flush(connection, request + 8);
        continue;
      }
      uint32_t error = execute(connection, type, offset, length, request + REQUEST_BYTES);
      write_reply(headers[replies], error, request + 8);
      parts[used++] = (struct iovec){headers[replies], REPLY_BYTES};
      if (error == 0 && type == CMD_READ) {
        parts[used++] = (struct iovec){connection->bytes + offset, length};
      }
      replies++;
    }
    if (used > 0 && !answer(connection, parts, used)) return false;
  }
  memmove(inbox, inbox + at, connection->have - at);
  connection->have -= at;
  return true;
}

static void *serve(void *unused) {
  struct epoll_event events[MAX_EVENTS];
  for (;;) {
    int ready = epoll_wait(poll_file, events, MAX_EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      struct connection *connection = events[i].data.ptr;
      ssize_t count = read(connection->socket, connection->inbox + connection->have,
                           INBOX_BYTES - connection->have);
      if (count > 0) connection->have += count;
      if (count > 0 && handle(connection)) continue;
      epoll_ctl(poll_file, EPOLL_CTL_DEL, connection->socket, NULL);
      shutdown(connection->socket, SHUT_RDWR);
      release(connection);
    }
  }
  return unused;
}

static uint8_t *view_of(const char *name) {
  for (struct export *found = exports; found; found = found->next) {
    if (strcmp(found->name, name) == 0) return found->bytes;
  }
  struct export *made = calloc(1, sizeof *made);
  if (made == NULL) fail("memory for an export");
  made->bytes = mmap(NULL, image_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
                     image_file, 0);
  if (made->bytes == MAP_FAILED) fail("a view of the image");
  strcpy(made->name, name);
  made->next = exports;
  exports = made;
  return made->bytes;
}

static void make_log(const char *path) {
  static const uint8_t zeroes[1 << 20];
  log_file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log_file < 0) fail(path);
  for (uint64_t at = 0; at < LOG_BYTES; at += sizeof zeroes) {
    if (pwrite(log_file, zeroes, sizeof zeroes, at) != sizeof zeroes) fail(path);
  }
  if (fsync(log_file) < 0) fail(path);
}

static void run_thread(void *(*work)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, NULL) != 0) fail("a thread");
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: durable-floor PORT IMAGE LOG\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  struct stat status;
  image_file = open(arguments[2], O_RDONLY | O_CLOEXEC);
  if (image_file < 0 || fstat(image_file, &status) < 0) fail(arguments[2]);
  image_bytes = status.st_size;
  make_log(arguments[3]);
  poll_file = epoll_create1(EPOLL_CLOEXEC);
  if (poll_file < 0) fail("epoll");
  run_thread(serve);
  run_thread(sync_flushes);
  for (int listener = listen_on(arguments[1]);;) {
    int client = accept_from(listener);
    char name[MAX_NAME_BYTES + 1];
    struct connection *connection = NULL;
    if (shake_hands(client, image_bytes, TRANSMISSION_FLAGS, name)) {
      connection = calloc(1, sizeof *connection);
    }
    if (connection == NULL) {
      close(client);
      continue;
    }
    connection->socket = client;
    atomic_init(&connection->holders, 1);
    pthread_mutex_init(&connection->sending, NULL);
    connection->bytes = view_of(name);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(poll_file, EPOLL_CTL_ADD, client, &event) < 0) fail("epoll");
  }
}
