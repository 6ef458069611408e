/* A disk that fails, for a child process: loaded with LD_PRELOAD, it makes writes and syncs of the database and of its
 * write-ahead log fail with the error whose number is in the file that FAILING_DISK names. An empty or missing file
 * means that the disk works. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_database(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, "project.db") != NULL;
}

/* The number of the error, or 0. */
static int failure(int fd) {
  const char *control = getenv("FAILING_DISK");
  FILE *file = control ? fopen(control, "re") : NULL;
  int number = 0;
  if (!file) return 0;
  if (fscanf(file, "%d", &number) != 1) number = 0;
  fclose(file);
  return number && is_database(fd) ? number : 0;
}

#define FAIL_IF_TOLD(fd)              \
  do {                                \
    int number = failure(fd);         \
    if (number) {                     \
      errno = number;                 \
      return -1;                      \
    }                                 \
  } while (0)

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t count) {
  if (fd > 2) FAIL_IF_TOLD(fd);
  return REAL(write)(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  FAIL_IF_TOLD(fd);
  return REAL(pwrite64)(fd, bytes, count, offset);
}

int fdatasync(int fd) {
  FAIL_IF_TOLD(fd);
  return REAL(fdatasync)(fd);
}

int fsync(int fd) {
  FAIL_IF_TOLD(fd);
  return REAL(fsync)(fd);
}
