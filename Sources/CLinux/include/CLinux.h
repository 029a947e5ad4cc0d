#ifndef CLINUX_H
#define CLINUX_H
/* Thin shims for what Swift cannot import: variadic calls, macros and ioctls.
   All return -1 and set errno on failure, unless a comment says otherwise. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    LIFEBOAT_OPEN_READ = 0,
    LIFEBOAT_OPEN_READ_DIRECT = 1,
    LIFEBOAT_OPEN_READ_WRITE = 2,
    LIFEBOAT_OPEN_CREATE_NEW = 3,
    LIFEBOAT_OPEN_EXCLUSIVE_DEVICE = 4,
    LIFEBOAT_OPEN_WRITE_DIRECT = 5,
};
/* Opens close-on-exec in one of the ways above. */
int lifeboat_open(const char *path, int how, mode_t mode);

/* Anonymous, page-aligned memory; NULL on failure. */
void *lifeboat_map(size_t length);
void lifeboat_unmap(void *base, size_t length);

/* The size in bytes of an open block device. */
int lifeboat_device_size(int descriptor, uint64_t *size);
/* Makes a range of a block device read as zeros. */
int lifeboat_device_zero(int descriptor, uint64_t offset, uint64_t length);
/* Deallocates a range without changing the file's size. */
int lifeboat_punch(int descriptor, off_t offset, off_t length);

/* One preadv2 with RWF_NOWAIT: what is in the page cache, or EAGAIN. */
ssize_t lifeboat_read_nowait(int descriptor, void *into, size_t count, off_t offset);
/* How many pages of a range are in the page cache, asked without causing any I/O. */
int64_t lifeboat_cached_pages(int descriptor, uint64_t offset, uint64_t length);

off_t lifeboat_seek_data(int descriptor, off_t offset);
off_t lifeboat_seek_hole(int descriptor, off_t offset);

int lifeboat_lock(int descriptor, int exclusive, int wait);
/* Renames, failing with EEXIST where the new name is taken. */
int lifeboat_rename_new(const char *from, const char *to);
/* 1 when another open file description can write the file, 0 when none can. */
int lifeboat_has_writer(int descriptor);

/* The processors this process may run on. */
int lifeboat_processor_count(void);
/* Names the calling thread; at most 15 bytes are kept. */
void lifeboat_name_thread(const char *name);
/* "8:1" in two numbers. */
uint32_t lifeboat_device_major(uint64_t device);
uint32_t lifeboat_device_minor(uint64_t device);
uint64_t lifeboat_device(uint32_t major, uint32_t minor);

/* Both ends of a pipe, reading first, close-on-exec. */
int lifeboat_pipe(int ends[2]);
/* Starts a program with these descriptors as 0, 1 and 2 and none besides; returns its process id.
   All signals are as a new login finds them. With `new_session` it leads a session of its own.
   With `dies_with_thread` it is ended by SIGKILL when the calling thread ends. */
pid_t lifeboat_spawn(const char *path, char *const arguments[], char *const environment[],
                     int input, int output, int error, int new_session, int dies_with_thread);
#endif
