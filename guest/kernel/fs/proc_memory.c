/* proc_memory.c: the mappings of a process: maps, smaps, smaps_rollup. */
#include <linux/mman.h>

#include "fs/proc.h"
#include "fs/ramfs.h"
#include "mm/count.h"
#include "mm/map.h"
#include "task/process.h"

#define KIB(pages) ((pages)*4)
#define NAME_COLUMN 73 /* as Linux pads */

static const struct node *node_of(const struct vma *v)
{
	struct file *f = v->object ? file_of_object(v->object) : NULL;

	return f ? file_node(f) : NULL;
}

static void add_mapping(struct text *t, const struct vma *v)
{
	const struct node *n = node_of(v);
	size_t start = t->size, length;
	char *name;

	text_add(t, "%08lx-%08lx %c%c%c%c %08lx 00:%02x %lu ", v->start, v->end,
		 v->prot & PROT_READ ? 'r' : '-',
		 v->prot & PROT_WRITE ? 'w' : '-',
		 v->prot & PROT_EXEC ? 'x' : '-',
		 v->flags & MAP_SHARED ? 's' : 'p', v->object ? v->offset : 0,
		 n ? 1u : 0u, n ? n->ino : 0ul);
	name = text_reserve(t, PATH_MAX + NAME_COLUMN);
	if (!name)
		return;
	length = MIN(vma_name(v, name + NAME_COLUMN, PATH_MAX), PATH_MAX);
	if (length) {
		size_t pad =
			NAME_COLUMN - MIN(t->size - start, (size_t)NAME_COLUMN);

		memset(name, ' ', pad);
		memmove(name + pad, name + NAME_COLUMN, length);
		t->size += pad + length;
	}
	text_add(t, "\n");
}

/* A zombie has none. */
static const struct vma *first_of(const struct proc_subject *s)
{
	return s->process->space ? vma_next(0) : NULL;
}

void proc_show_maps(struct text *t, const struct proc_subject *s)
{
	for (const struct vma *v = first_of(s); v; v = vma_after(v))
		add_mapping(t, v);
}

/* ---- what is there of them ---- */

/* Pages of the image are the host's, which has them once for all guests. */
struct shares {
	u64 size, own, file, image, anonymous, locked;
};

static void add_shares(struct shares *sum, const struct vma *v)
{
	struct vma_pages there;

	vma_pages(v, &there);
	sum->size += (v->end - v->start) / PAGE_SIZE;
	sum->own += there.own;
	sum->file += there.file;
	sum->image += there.image;
	sum->anonymous += there.own;
	if (v->flags & MAP_LOCKED)
		sum->locked += there.own + there.file + there.image;
}

static void show_shares(struct text *t, const struct shares *s)
{
	u64 resident = s->own + s->file + s->image, dirty = s->own + s->file;

	text_add(t, "Rss:            %8lu kB\nPss:            %8lu kB\n",
		 KIB(resident), KIB(dirty));
	text_add(t, "Pss_Dirty:      %8lu kB\n", KIB(dirty));
	text_add(t, "Shared_Clean:   %8lu kB\nShared_Dirty:   %8lu kB\n",
		 KIB(s->image), 0ul);
	text_add(t, "Private_Clean:  %8lu kB\nPrivate_Dirty:  %8lu kB\n", 0ul,
		 KIB(dirty));
	text_add(t, "Referenced:     %8lu kB\nAnonymous:      %8lu kB\n",
		 KIB(resident), KIB(s->anonymous));
	text_add(t,
		 "KSM:            %8lu kB\nLazyFree:       %8lu kB\n"
		 "AnonHugePages:  %8lu kB\nShmemPmdMapped: %8lu kB\n"
		 "FilePmdMapped:  %8lu kB\nShared_Hugetlb: %8lu kB\n"
		 "Private_Hugetlb: %7lu kB\nSwap:           %8lu kB\n"
		 "SwapPss:        %8lu kB\nLocked:         %8lu kB\n",
		 0ul, 0ul, 0ul, 0ul, 0ul, 0ul, 0ul, 0ul, 0ul, KIB(s->locked));
}

static void add_flags(struct text *t, const struct vma *v)
{
	text_add(t, "VmFlags:%s%s%s%s mr mw me%s%s \n",
		 v->prot & PROT_READ ? " rd" : "",
		 v->prot & PROT_WRITE ? " wr" : "",
		 v->prot & PROT_EXEC ? " ex" : "",
		 v->flags & MAP_SHARED ? " sh" : "",
		 v->flags & MAP_GROWSDOWN ? " gd" : "",
		 v->flags & MAP_LOCKED ? " lo" : "");
}

void proc_show_smaps(struct text *t, const struct proc_subject *s)
{
	for (const struct vma *v = first_of(s); v; v = vma_after(v)) {
		struct shares one = { 0 };

		add_mapping(t, v);
		add_shares(&one, v);
		text_add(t,
			 "Size:           %8lu kB\nKernelPageSize: %8u kB\n"
			 "MMUPageSize:    %8u kB\n",
			 KIB(one.size), 4, 4);
		show_shares(t, &one);
		text_add(t, "THPeligible:    %8d\n", 0);
		add_flags(t, v);
	}
}

void proc_show_rollup(struct text *t, const struct proc_subject *s)
{
	const struct vma *first = first_of(s);
	struct shares sum = { 0 };
	u64 end = 0;

	if (!first)
		return;
	for (const struct vma *v = first; v; v = vma_after(v)) {
		add_shares(&sum, v);
		end = v->end;
	}
	text_add(t, "%08lx-%08lx ---p 00000000 00:00 0 %*s[rollup]\n",
		 first->start, end, 23, "");
	show_shares(t, &sum);
}
