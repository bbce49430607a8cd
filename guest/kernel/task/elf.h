/* elf.h: ELF files and where they are in memory: System V ABI AMD64, 3.4 and 5. */
#ifndef TASK_ELF_H
#define TASK_ELF_H

#include <linux/elf.h>

#include "fs/file.h"

#define ELF_SEGMENTS 64 /* at most */

struct elf {
	struct file *file; /* borrowed */
	Elf64_Ehdr head;
	Elf64_Phdr segments[ELF_SEGMENTS];
	char interpreter[256]; /* path, or empty */
	u64 base;              /* added to the file's addresses */
	u64 entry;
	u64 headers; /* where the program headers are in memory */
	u64 code_start, code_end, data_start, data_end;
	u64 end; /* of all that it has in memory */
};

/* Reads what says how to map a file. 0, -ENOEXEC, other errors of reading. */
long elf_read(struct elf *e, struct file *f);
/* Maps it into the running space, near hint if it is position independent. */
long elf_map(struct elf *e, u64 hint);
/* Bytes of a library before what it writes to; 0: it is none. *at becomes where it is to
 * be mapped if it is large enough for a place of its own, so that processes have the
 * tables of its code in common. */
u64 elf_code(struct file *f, u64 *at);
static inline bool elf_is_fixed(const struct elf *e)
{
	return e->head.e_type == ET_EXEC;
}

#endif
