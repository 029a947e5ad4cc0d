#ifndef CLINUX_H
#define CLINUX_H
/* Thin shims for what Swift cannot import: variadic calls, macros and ioctls. */
#endif
