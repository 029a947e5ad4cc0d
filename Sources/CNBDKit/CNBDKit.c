#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "CNBDKit.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

// Written in Swift.
extern void lifeboat_plugin_load(void);
extern int lifeboat_plugin_config(const char *key, const char *value);
extern int lifeboat_plugin_config_complete(void);
extern int lifeboat_plugin_after_fork(void);
extern void lifeboat_plugin_cleanup(void);
extern int lifeboat_plugin_list_exports(struct nbdkit_exports *exports);
extern const char *lifeboat_plugin_default_export(void);
extern void *lifeboat_plugin_open(void);
extern void lifeboat_plugin_close(void *handle);
extern int64_t lifeboat_plugin_get_size(void *handle);
extern uint32_t lifeboat_plugin_block_size(void *handle);
extern int lifeboat_plugin_pread(void *handle, void *buffer, uint32_t count, uint64_t offset);
extern int lifeboat_plugin_extents(
    void *handle, uint32_t count, uint64_t offset, struct nbdkit_extents *extents);
extern int lifeboat_plugin_cache(void *handle, uint32_t count, uint64_t offset);

static int list_exports(int readonly, int is_tls, struct nbdkit_exports *exports) {
    return lifeboat_plugin_list_exports(exports);
}

static const char *default_export(int readonly, int is_tls) {
    return lifeboat_plugin_default_export();
}

static void *open_export(int readonly) { return lifeboat_plugin_open(); }

static int yes(void *handle) { return 1; }

static int can_cache(void *handle) { return NBDKIT_CACHE_NATIVE; }

static int block_size(
    void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum) {
    *minimum = 1;
    *preferred = lifeboat_plugin_block_size(handle);
    *maximum = 0xFFFFFFFF;
    return 0;
}

static int pread_export(
    void *handle, void *buffer, uint32_t count, uint64_t offset, uint32_t flags) {
    return lifeboat_plugin_pread(handle, buffer, count, offset);
}

static int extents_of_export(
    void *handle, uint32_t count, uint64_t offset, uint32_t flags,
    struct nbdkit_extents *extents) {
    return lifeboat_plugin_extents(handle, count, offset, extents);
}

static int cache_export(void *handle, uint32_t count, uint64_t offset, uint32_t flags) {
    return lifeboat_plugin_cache(handle, count, offset);
}

static struct nbdkit_plugin plugin = {
    .name = "lifeboat",
    .longname = "Lifeboat recovery points",
    .description = "Serves the volumes of a recovery point, read-only.",
    .load = lifeboat_plugin_load,
    .config = lifeboat_plugin_config,
    .config_complete = lifeboat_plugin_config_complete,
    .config_help =
        "repo=REPO                 The repository. (required)\n"
        "point=POINT               An id, a unique prefix, or latest. (required)\n"
        "recovery-key-file=FILE    The recovery key. (required)\n"
        "machine=NAME              For latest: whose.\n"
        "volume=NAME               The default export; else the only disk or the first.\n"
        "state-dir=DIR             Where this host remembers what it must keep.\n"
        "cache-dir=DIR             Where this host caches what it can fetch again.\n"
        "cache-size=SIZE           Disk for frames of a repository behind a network.\n"
        "memory=SIZE               Memory to aim at.\n"
        "links=FILE                The description of this host's links.\n"
        "limit-download=RATE       Receive at most this from the store.\n"
        "limit-upload=RATE         Send at most this to the store.\n"
        "source-address=ADDRESS    Connect to the store from this address.\n"
        "interface=NAME            Connect to the store through this interface.",
    .after_fork = lifeboat_plugin_after_fork,
    .cleanup = lifeboat_plugin_cleanup,
    .list_exports = list_exports,
    .default_export = default_export,
    .open = open_export,
    .close = lifeboat_plugin_close,
    .get_size = lifeboat_plugin_get_size,
    .can_multi_conn = yes,
    .can_extents = yes,
    .can_cache = can_cache,
    .block_size = block_size,
    .pread = pread_export,
    .extents = extents_of_export,
    .cache = cache_export,
};

NBDKIT_REGISTER_PLUGIN(plugin)

void lifeboat_nbdkit_error(const char *message) { nbdkit_error("%s", message); }

void lifeboat_nbdkit_set_error(int number) { nbdkit_set_error(number); }

int lifeboat_nbdkit_add_export(struct nbdkit_exports *exports, const char *name) {
    return nbdkit_add_export(exports, name, NULL);
}

int lifeboat_nbdkit_add_extent(
    struct nbdkit_extents *extents, uint64_t offset, uint64_t length, int is_hole) {
    return nbdkit_add_extent(
        extents, offset, length, is_hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0);
}

const char *lifeboat_nbdkit_intern(const char *text) { return nbdkit_strdup_intern(text); }

const char *lifeboat_nbdkit_export_name(void) { return nbdkit_export_name(); }


const char *lifeboat_nbdkit_absolute_path(const char *path) {
    char *absolute = nbdkit_absolute_path(path);
    const char *kept = absolute ? nbdkit_strdup_intern(absolute) : NULL;
    free(absolute);
    return kept;
}

void lifeboat_nbdkit_wait_for_end(void) {
    while (nbdkit_nanosleep(3600, 0) == 0) {}
}

void lifeboat_nbdkit_forbid_core(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
