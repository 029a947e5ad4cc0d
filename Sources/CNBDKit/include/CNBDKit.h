#ifndef CNBDKIT_H
#define CNBDKIT_H

#include <stdint.h>

struct nbdkit_exports;
struct nbdkit_extents;

/// Tells nbdkit's log what went wrong.
void lifeboat_nbdkit_error(const char *message);
/// Says with which errno a request failed.
void lifeboat_nbdkit_set_error(int number);
int lifeboat_nbdkit_add_export(struct nbdkit_exports *exports, const char *name);
int lifeboat_nbdkit_add_extent(
    struct nbdkit_extents *extents, uint64_t offset, uint64_t length, int is_hole);
/// A copy that lives as long as the connection or the server.
const char *lifeboat_nbdkit_intern(const char *text);
/// The name of the export that the connection asked for.
const char *lifeboat_nbdkit_export_name(void);
/// A path that holds whatever the current directory will be; `NULL` when there is none.
const char *lifeboat_nbdkit_absolute_path(const char *path);
/// Sleeps until the server is told to end.
void lifeboat_nbdkit_wait_for_end(void);
/// Keeps secrets out of core files.
void lifeboat_nbdkit_forbid_core(void);

#endif
