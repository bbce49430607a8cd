/*
 * session_file.h: a session that is kept in a file between commands: its delta
 * (delta.h) in one segment. The file is written whole or not at all, and nobody
 * else's to read.
 */
#ifndef ZEROBOOT_SESSION_FILE_H
#define ZEROBOOT_SESSION_FILE_H

#include <limits.h>

#include "delta.h"
#include "err.h"

/* Where the file is that the path leads to, by links: it is what is replaced. It can be
 * written there, as far as can be told before. 0 or -errno. */
int session_file_find(const char *path, char place[PATH_MAX], struct err *e);
/* Takes what is in the file into d, which is empty, and stays so when there is no
 * such file. *lock: a descriptor that is closed when the session has been written, so
 * that one command at a time goes on with it; -1: there was no file. 0 or -errno. */
int session_file_read(const char *path, struct delta *d, int *lock,
		      struct err *e);
/* 0 or -errno: the file is as it was. */
int session_file_write(const char *path, struct delta *d, struct err *e);

#endif
