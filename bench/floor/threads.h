/* What the floors share that have a thread for each connection and the image in memory. */
#include "protocol.h"
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

static uint8_t *image;
static uint64_t image_bytes;

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

/* Never returns. `serve` gets the client's socket as its argument, and closes it. */
static void serve_each(const char *port, void *(*serve)(void *)) {
  for (int listener = listen_on(port);;) {
    int client = accept_from(listener);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)client) == 0) pthread_detach(thread);
    else close(client);
  }
}
