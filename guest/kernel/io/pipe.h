/*
 * pipe.h: pipes and FIFOs: what pipe.c, fifo.c and splice.c share.
 */
#ifndef IO_PIPE_H
#define IO_PIPE_H

#include "fs/file.h"

/* Bytes in one page; a pipe holds so many of these, however short they are. */
struct slot {
	u8 *page;
	u16 offset;
	u16 size;
	bool packet; /* O_DIRECT: a read takes it alone, and whole */
	bool merge;  /* a further write may continue in its page */
};

struct pipe {
	struct slot *slots; /* `room` of them, a power of two */
	u32 room;
	u32 head, tail;       /* slots taken out and put in since the start */
	u32 readers, writers; /* open files */
	u32 reads_opened, writes_opened; /* since the start */
	struct file *files;              /* all open ends, by file->next_end */
	struct waitq reading, writing, opening;
	u64 inode;
	void (*ask)(struct pipe *p); /* fills it, before anybody can tell what
				      * is in it; NULL: it is as it is */
	bool held; /* a splice is writing out the first slot */
};

struct pipe *pipe_new(void);
void pipe_free(struct pipe *p);
/* The pipe behind an open file, or NULL. */
struct pipe *pipe_of(const struct file *f);
void fifo_init(void); /* fifo.c */
/* Counts an open end, or takes away one that was counted. */
void pipe_attach(struct pipe *p, struct file *f);
void pipe_detach(struct pipe *p, struct file *f);
/* Both ends of a new one. 0 or -ENOMEM. flags: O_*. */
long pipe_ends(u32 flags, struct file **reader, struct file **writer);
/* Standard input: what the host brings, as it comes (input.c), or, when it has
 * brought all before the start, a pipe that is empty and has no writer. NULL: no
 * memory. */
struct file *pipe_input(void);
/* Moves what the host has brought, as far as it goes. */
void pipe_bring_input(void);

/* Puts bytes into one that is empty, however many; frames: they are in whole ones,
 * which become the pipe's. 0 or -ENOMEM. */
long pipe_fill(struct pipe *p, const u8 *data, u64 size, bool frames);

static inline bool pipe_empty(const struct pipe *p)
{
	return p->head == p->tail;
}
static inline bool pipe_full(const struct pipe *p)
{
	return p->tail - p->head >= p->room;
}
static inline struct slot *pipe_slot(const struct pipe *p, u32 number)
{
	return &p->slots[number & (p->room - 1)];
}

/* Waits for something to read: 1, 0 at the end, or -errno. */
long pipe_wait_read(struct pipe *p, bool nonblock);
/* Waits for a free slot: 0 or -errno, with SIGPIPE when nobody reads. */
long pipe_wait_write(struct pipe *p, bool nonblock);
/* A new last slot with up to a page from the program's or the kernel's memory;
 * bytes, -ENOMEM, -EFAULT. Not when full. */
long pipe_push(struct pipe *p, const void *from, size_t n);
/* Takes n bytes of the first slot away. */
void pipe_consume(struct pipe *p, size_t n);
/* Tells those who wait about data that came, or about slots that went. */
void pipe_filled(struct pipe *p);
void pipe_drained(struct pipe *p, bool was_full);

/* The operations of an open pipe or FIFO. */
long pipe_read(struct file *f, void *buf, size_t n, u64 *pos);
long pipe_write(struct file *f, const void *buf, size_t n, u64 *pos);
long pipe_read_vector(struct file *f, const struct iovec *v, u64 count);
long pipe_write_vector(struct file *f, const struct iovec *v, u64 count);
u32 pipe_poll(struct file *f);
long pipe_ioctl(struct file *f, u64 command, u64 argument);
long pipe_command(struct file *f, u32 command, u64 argument);

#endif
