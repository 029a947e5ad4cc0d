#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

int lifeboat_open(const char *path, int how, mode_t mode) {
    int flags = O_CLOEXEC | O_NOCTTY;
    switch (how) {
    case LIFEBOAT_OPEN_READ: flags |= O_RDONLY; break;
    case LIFEBOAT_OPEN_READ_DIRECT: flags |= O_RDONLY | O_DIRECT; break;
    case LIFEBOAT_OPEN_READ_WRITE: flags |= O_RDWR; break;
    case LIFEBOAT_OPEN_WRITE_DIRECT: flags |= O_RDWR | O_DIRECT; break;
    case LIFEBOAT_OPEN_CREATE_NEW: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    case LIFEBOAT_OPEN_EXCLUSIVE_DEVICE: flags |= O_RDWR | O_EXCL; break;
    default: errno = EINVAL; return -1;
    }
    int descriptor;
    /* A pipe that nobody writes to must not hold up who only wants to know what it is. */
    do descriptor = open(path, flags | O_NONBLOCK, mode);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) return descriptor;
    int now = fcntl(descriptor, F_GETFL);
    if (now < 0 || fcntl(descriptor, F_SETFL, now & ~O_NONBLOCK) < 0) {
        int number = errno;
        close(descriptor);
        errno = number;
        return -1;
    }
    return descriptor;
}

void *lifeboat_map(size_t length) {
    void *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return base == MAP_FAILED ? NULL : base;
}

void lifeboat_unmap(void *base, size_t length) { munmap(base, length); }

int lifeboat_device_size(int descriptor, uint64_t *size) {
    return ioctl(descriptor, BLKGETSIZE64, size);
}

int lifeboat_device_zero(int descriptor, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return ioctl(descriptor, BLKZEROOUT, range);
}

int lifeboat_punch(int descriptor, off_t offset, off_t length) {
    int result;
    do result = fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
    while (result < 0 && errno == EINTR);
    return result;
}

ssize_t lifeboat_read_nowait(int descriptor, void *into, size_t count, off_t offset) {
    struct iovec piece = {into, count};
    return preadv2(descriptor, &piece, 1, offset, RWF_NOWAIT);
}

/* Before Linux 6.5: mincore on a mapping that is never touched. */
static int64_t resident_pages(int descriptor, uint64_t offset, uint64_t length) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = offset & ~(page - 1);
    uint64_t span = offset + length - start;
    void *base = mmap(NULL, span, PROT_READ, MAP_SHARED, descriptor, (off_t)start);
    if (base == MAP_FAILED) return -1;
    int64_t found = 0;
    unsigned char window[1024];
    for (uint64_t at = 0; at < span; at += sizeof window * page) {
        uint64_t part = span - at < sizeof window * page ? span - at : sizeof window * page;
        if (mincore((char *)base + at, part, window) < 0) {
            found = -1;
            break;
        }
        for (uint64_t i = 0; i < (part + page - 1) / page; i++) found += window[i] & 1;
    }
    int kept = errno;
    munmap(base, span);
    errno = kept;
    return found;
}

#ifndef __NR_cachestat
#define __NR_cachestat 451
#endif

int64_t lifeboat_cached_pages(int descriptor, uint64_t offset, uint64_t length) {
    struct { uint64_t offset, length; } range = {offset, length};
    struct { uint64_t cached, dirty, writeback, evicted, recently_evicted; } state = {0};
    if (length == 0) return 0;
    if (syscall(__NR_cachestat, descriptor, &range, &state, 0) == 0) return (int64_t)state.cached;
    if (errno == ENOSYS) return resident_pages(descriptor, offset, length);
    return -1;
}

off_t lifeboat_seek_data(int descriptor, off_t offset) {
    return lseek(descriptor, offset, SEEK_DATA);
}

off_t lifeboat_seek_hole(int descriptor, off_t offset) {
    return lseek(descriptor, offset, SEEK_HOLE);
}

int lifeboat_lock(int descriptor, int exclusive, int wait) {
    int result;
    do result = flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB));
    while (result < 0 && errno == EINTR);
    return result;
}

int lifeboat_rename_new(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    /* NFS and others know no flags; a hard link never replaces either. */
    if (link(from, to) < 0) return -1;
    unlink(from);
    return 0;
}

/* Network file systems refuse leases with EAGAIN for reasons of their own. */
static int is_remote(int descriptor) {
    struct statfs status;
    if (fstatfs(descriptor, &status) < 0) return 1;
    switch ((uint32_t)status.f_type) {
    case 0x6969:     /* NFS */
    case 0xFF534D42: /* CIFS */
    case 0xFE534D42: /* SMB2 */
    case 0x00C36400: /* Ceph */
        return 1;
    default: return 0;
    }
}

int lifeboat_has_writer(int descriptor) {
    /* A read lease is granted only while nobody has the file open for writing. Should somebody
       open it before the lease is returned, the kernel sends a signal: SIGURG is ignored by
       default, while the usual SIGIO would end the process. */
    if (fcntl(descriptor, F_SETSIG, SIGURG) < 0) return -1;
    if (fcntl(descriptor, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(descriptor, F_SETLEASE, F_UNLCK);
        return 0;
    }
    return errno == EAGAIN && !is_remote(descriptor) ? 1 : -1;
}

int lifeboat_processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void lifeboat_name_thread(const char *name) {
    char text[16];
    snprintf(text, sizeof text, "%s", name);
    pthread_setname_np(pthread_self(), text);
}

uint32_t lifeboat_device_major(uint64_t device) { return major(device); }
uint32_t lifeboat_device_minor(uint64_t device) { return minor(device); }
uint64_t lifeboat_device(uint32_t major, uint32_t minor) { return makedev(major, minor); }

int lifeboat_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

pid_t lifeboat_spawn(const char *path, char *const arguments[], char *const environment[],
                     int input, int output, int error, int new_session, int dies_with_thread) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) return -1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        /* From here on only what is safe in a signal handler. */
        struct sigaction standard;
        memset(&standard, 0, sizeof standard);
        standard.sa_handler = SIG_DFL;
        for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (new_session) setsid();
        if (dies_with_thread) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) _exit(127);
        }
        /* Moved out of the way first: one may be where another must go. */
        int moved[3] = {input, output, error};
        for (int i = 0; i < 3; i++) {
            int copy = fcntl(moved[i], F_DUPFD_CLOEXEC, 3);
            if (copy < 0) goto failed;
            moved[i] = copy;
        }
        for (int i = 0; i < 3; i++)
            if (dup2(moved[i], i) < 0) goto failed;
        syscall(SYS_close_range, 3u, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
        execve(path, arguments, environment);
    failed:;
        int number = errno;
        ssize_t ignored = write(report[1], &number, sizeof number);
        (void)ignored;
        _exit(127);
    }
    int number = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (child < 0) {
        close(report[0]);
        errno = number;
        return -1;
    }
    ssize_t count;
    do count = read(report[0], &number, sizeof number);
    while (count < 0 && errno == EINTR);
    close(report[0]);
    if (count == sizeof number) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        errno = number;
        return -1;
    }
    return child;
}
