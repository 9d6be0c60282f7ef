/*
 * Preloaded into the agent: reads of files whose path holds FAULTS_PATH fail with the error number that the file FAULTS_FILE
 * holds, as on a broken disk (EIO) or a stale NFS handle (ESTALE). No file, no fault.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int fault(int fd) {
  char link[64], path[4096], text[16] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (!strstr(path, getenv("FAULTS_PATH"))) return 0;
  int file = syscall(SYS_openat, AT_FDCWD, getenv("FAULTS_FILE"), O_RDONLY);
  if (file < 0) return 0;
  syscall(SYS_read, file, text, sizeof text - 1);
  syscall(SYS_close, file);
  return atoi(text);
}

#define FAIL(fd) do { int error = fault(fd); if (error) { errno = error; return -1; } } while (0)

ssize_t read(int fd, void *to, size_t count) {
  FAIL(fd);
  return syscall(SYS_read, fd, to, count);
}

ssize_t pread64(int fd, void *to, size_t count, off_t at) {
  FAIL(fd);
  return syscall(SYS_pread64, fd, to, count, at);
}

ssize_t pread(int fd, void *to, size_t count, off_t at) {
  return pread64(fd, to, count, at);
}

ssize_t preadv64(int fd, const struct iovec *to, int count, off_t at) {
  FAIL(fd);
  return syscall(SYS_preadv, fd, to, (long)count, (long)at, 0L);
}

ssize_t preadv(int fd, const struct iovec *to, int count, off_t at) {
  return preadv64(fd, to, count, at);
}
