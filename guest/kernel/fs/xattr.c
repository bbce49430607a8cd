/* xattr.c: extended attributes: no file has any. */
#include "syscalls.h"

#define ANSWER_3(name, value)                                                  \
	long sys_##name(u64 a, u64 b, u64 c)                                   \
	{                                                                      \
		(void)a, (void)b, (void)c;                                     \
		return value;                                                  \
	}
#define ANSWER_4(name, value)                                                  \
	long sys_##name(u64 a, u64 b, u64 c, u64 d)                            \
	{                                                                      \
		(void)a, (void)b, (void)c, (void)d;                            \
		return value;                                                  \
	}
#define ANSWER_5(name, value)                                                  \
	long sys_##name(u64 a, u64 b, u64 c, u64 d, u64 e)                     \
	{                                                                      \
		(void)a, (void)b, (void)c, (void)d, (void)e;                   \
		return value;                                                  \
	}

ANSWER_5(setxattr, -EOPNOTSUPP)
ANSWER_5(lsetxattr, -EOPNOTSUPP)
ANSWER_5(fsetxattr, -EOPNOTSUPP)
ANSWER_4(getxattr, -ENODATA)
ANSWER_4(lgetxattr, -ENODATA)
ANSWER_4(fgetxattr, -ENODATA)
ANSWER_3(listxattr, 0)
ANSWER_3(llistxattr, 0)
ANSWER_3(flistxattr, 0)
