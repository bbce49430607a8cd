/* share.c: memory that processes share, and what they meet with in it: futexes,
 * semaphores, mutexes, robust ones, conditions, barriers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

#define PAGE 4096
#define ROUNDS 500

static struct shared {
	int word, turn;
	volatile int count, unlocked;
	sem_t first, second;
	pthread_mutex_t mutex, robust, inherits, both;
	pthread_cond_t changed;
	pthread_barrier_t barrier;
	pthread_rwlock_t lock;
} * shared;
static int own_word;

static long futex(int *word, int op, int value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static int waits_on_futex(void)
{
	while (shared->word == 0)
		futex(&shared->word, FUTEX_WAIT, 0, NULL);
	return shared->word;
}

static int wakes_private(void)
{
	return (int)futex(&shared->word, FUTEX_WAKE_PRIVATE, 10, NULL) * 16 +
	       (int)futex(&own_word, FUTEX_WAKE, 10, NULL);
}

static void *waits_on_own(void *unused)
{
	while (own_word == 0)
		futex(&own_word, FUTEX_WAIT, 0, NULL);
	return unused;
}

static void futexes(void)
{
	pid_t a = child_start(waits_on_futex), b = child_start(waits_on_futex);
	pthread_t t;

	child_until(a, 'S'), child_until(b, 'S');
	pthread_create(&t, NULL, waits_on_own, NULL);
	pause_ms(20);
	/* Neither a private futex of another space nor a page of its own. */
	child_run("wakes nobody", wakes_private);
	shared->word = 5;
	SHOW(futex(&shared->word, FUTEX_WAKE, 10, NULL));
	child_end("one waiter", a);
	child_end("the other", b);
	own_word = 1;
	SHOW(futex(&own_word, FUTEX_WAKE, 10, NULL));
	pthread_join(t, NULL);
	shared->word = 0;
	a = child_start(waits_on_futex);
	child_until(a, 'S');
	SHOW(syscall(SYS_futex, &shared->word, FUTEX_CMP_REQUEUE, 0, 10L,
		     &shared->turn, 0));
	shared->word = 6;
	SHOW(futex(&shared->word, FUTEX_WAKE, 10, NULL));
	SHOW(futex(&shared->turn, FUTEX_WAKE, 10, NULL));
	child_end("requeued", a);
}

static struct shared *mapped_again(const char *path)
{
	int fd = open(path, O_RDWR);
	struct shared *p =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	return p;
}

/* By another mapping of the same file, at another address. */
static int wakes_in_file(void)
{
	struct shared *p = mapped_again("file");

	p->word = 7;
	return (int)futex(&p->word, FUTEX_WAKE, 10, NULL);
}

static void in_a_file(void)
{
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	struct shared *old = shared;
	pid_t pid;

	SHOW(ftruncate(fd, PAGE));
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid = child_start(waits_on_futex);
	child_until(pid, 'S');
	child_run("wakes in the file", wakes_in_file);
	child_end("woken", pid);
	munmap(shared, PAGE);
	shared = old;
	close(fd);
}

static int plays_second(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		sem_wait(&shared->first);
		shared->count++;
		sem_post(&shared->second);
	}
	return 0;
}

static void semaphores(void)
{
	struct timespec past = { 1, 0 };
	sem_t *named;
	pid_t pid;

	sem_init(&shared->first, 1, 0);
	sem_init(&shared->second, 1, 0);
	shared->count = 0;
	pid = child_start(plays_second);
	for (int i = 0; i < ROUNDS; i++) {
		sem_post(&shared->first);
		sem_wait(&shared->second);
	}
	child_end("semaphores", pid);
	SHOW(shared->count);
	SHOW(sem_timedwait(&shared->first, &past));
	named = sem_open("/zeroboot-share", O_CREAT | O_EXCL, 0600, 0);
	SHOW(named == SEM_FAILED);
	pid = fork();
	if (pid == 0) {
		sem_t *same = sem_open("/zeroboot-share", 0);

		_exit(sem_post(same));
	}
	SHOW(sem_wait(named));
	child_end("a named semaphore", pid);
	SHOW(sem_unlink("/zeroboot-share"));
	SHOW(sem_open("/zeroboot-share", 0) == SEM_FAILED);
}

static int adds(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&shared->mutex);
		shared->unlocked++;
		if (i % 50 == 0)
			sched_yield();
		pthread_mutex_unlock(&shared->mutex);
	}
	pthread_barrier_wait(&shared->barrier);
	return 0;
}

static int takes_turns(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&shared->mutex);
		while (shared->turn == 0)
			pthread_cond_wait(&shared->changed, &shared->mutex);
		shared->turn = 0;
		pthread_cond_signal(&shared->changed);
		pthread_mutex_unlock(&shared->mutex);
	}
	return 0;
}

static int dies_with_lock(void)
{
	pthread_mutex_lock(&shared->robust);
	_exit(3);
}

static int waits_for_lock(void)
{
	return pthread_mutex_lock(&shared->robust) == EOWNERDEAD ? 1 : 2;
}

static int holds_lock(void)
{
	pthread_mutex_lock(&shared->robust);
	gate_open((struct gate *)&shared->first);
	pause();
	return 0;
}

static int takes_inheriting(void)
{
	return pthread_mutex_lock(&shared->inherits) ||
	       pthread_mutex_unlock(&shared->inherits);
}

static void mutexes(void)
{
	pthread_mutexattr_t attributes;
	pthread_condattr_t condition;
	pthread_barrierattr_t barrier;
	pid_t a, b;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&shared->inherits, &attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_NONE);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared->robust, &attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&shared->both, &attributes);
	pthread_condattr_init(&condition);
	pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&shared->changed, &condition);
	pthread_barrierattr_init(&barrier);
	pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &barrier, 3);

	a = child_start(adds), b = child_start(adds);
	SHOW(pthread_barrier_wait(&shared->barrier) <= 0);
	child_end("adds", a), child_end("adds", b);
	SHOW(shared->unlocked);
	shared->turn = 0;
	a = child_start(takes_turns);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&shared->mutex);
		while (shared->turn == 1)
			pthread_cond_wait(&shared->changed, &shared->mutex);
		shared->turn = 1;
		pthread_cond_signal(&shared->changed);
		pthread_mutex_unlock(&shared->mutex);
	}
	child_end("takes turns", a);
	pthread_mutex_lock(&shared->inherits);
	a = child_start(takes_inheriting);
	child_until(a, 'S');
	pthread_mutex_unlock(&shared->inherits);
	child_end("inherits", a);
}

static void robust(void)
{
	struct gate *g = (struct gate *)&shared->first;
	pid_t a, b;

	child_run("dies with the lock", dies_with_lock);
	SHOW(pthread_mutex_lock(&shared->robust) == EOWNERDEAD);
	SHOW(pthread_mutex_consistent(&shared->robust));
	SHOW(pthread_mutex_unlock(&shared->robust));
	*g = gate_make();
	a = child_start(holds_lock);
	gate_pass(g);
	b = child_start(waits_for_lock);
	child_until(b, 'S');
	kill(a, SIGKILL);
	child_end("holds the lock", a);
	child_end("gets it", b);
}

static int holds_both(void)
{
	pthread_mutex_lock(&shared->both);
	gate_open((struct gate *)&shared->first);
	pause();
	return 0;
}

/* 1: its owner had died; 0: not. */
static int takes_both(void)
{
	int r = pthread_mutex_lock(&shared->both);

	if (r == EOWNERDEAD)
		pthread_mutex_consistent(&shared->both);
	pthread_mutex_unlock(&shared->both);
	return r == EOWNERDEAD ? 1 : r ? 2 : 0;
}

/* Ends with a lock in memory that it no longer has. */
static int leaves_word(void)
{
	int *word = &shared->word;

	futex(word, FUTEX_LOCK_PI, 0, NULL);
	gate_open((struct gate *)&shared->first);
	while (!(*(volatile int *)word & FUTEX_WAITERS))
		usleep(1000);
	usleep(20000);
	munmap(shared, PAGE);
	return 0;
}

static int takes_word(void)
{
	long r = futex(&shared->word, FUTEX_LOCK_PI, 0, NULL);
	unsigned word = (unsigned)shared->word;

	return r ? 100 :
		   (word & FUTEX_OWNER_DIED ? 1 : 0) |
			       (word & FUTEX_WAITERS ? 2 : 0) |
			       ((word & FUTEX_TID_MASK) == (unsigned)getpid() ?
					4 :
					0);
}

/* Locks with an owner, whose owner in another process ends. */
static void inherited(void)
{
	struct gate *g = (struct gate *)&shared->first;
	pid_t a, b, c;

	*g = gate_make();
	a = child_start(holds_both);
	gate_pass(g);
	b = child_start(takes_both);
	child_until(b, 'S');
	c = child_start(takes_both);
	child_until(c, 'S');
	kill(a, SIGKILL);
	child_end("holds both", a);
	child_end("gets it", b);
	child_end("gets it next", c);
	SHOW(pthread_mutex_lock(&shared->both));
	SHOW(pthread_mutex_unlock(&shared->both));
	shared->word = 0;
	a = child_start(leaves_word);
	gate_pass(g);
	b = child_start(takes_word);
	child_end("leaves the word", a);
	child_end("takes the word", b);
	SHOW((shared->word & FUTEX_OWNER_DIED) != 0);
	shared->word = 0;
}

static void objects(void)
{
	int memory = memfd_create("memory", 0),
	    shm = shm_open("/zeroboot-share", O_RDWR | O_CREAT | O_EXCL, 0600);
	char *p, *q;
	pid_t pid;

	SHOW(ftruncate(memory, 3 * PAGE));
	SHOW(ftruncate(shm, 3 * PAGE));
	p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	pid = fork();
	if (pid == 0) {
		int same = shm_open("/zeroboot-share", O_RDWR, 0);

		q = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 same, 0);
		p[0] = 'm', p[2 * PAGE] = 'n', q[PAGE] = 's';
		SHOW(pwrite(memory, "w", 1, 1));
		_exit(0);
	}
	child_end("writes to both", pid);
	q = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, shm, 0);
	printf("%c%c%c%c\n", p[0], p[1], p[2 * PAGE], q[PAGE]);
	pid = fork();
	if (pid == 0) {
		SHOW(ftruncate(memory, PAGE));
		_exit(p[PAGE]);
	}
	child_end("reads what it cut off", pid);
	SHOW(shm_unlink("/zeroboot-share"));
	SHOW(shm_open("/zeroboot-share", O_RDWR, 0));
	close(memory), close(shm);
	munmap(p, 3 * PAGE), munmap(q, 3 * PAGE);
}

/* Pages that are first touched by the child, or only after a remap. */
static void anonymous(void)
{
	char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	long sum = 0;

	if (pid == 0) {
		char *moved = mremap(p, 64 * PAGE, 128 * PAGE, MREMAP_MAYMOVE);

		for (int i = 0; i < 64; i++)
			moved[i * PAGE] = 1;
		SHOW(mprotect(moved, PAGE, PROT_READ));
		SHOW(munmap(moved + PAGE, 10 * PAGE));
		_exit(0);
	}
	child_end("touches first", pid);
	for (int i = 0; i < 64; i++)
		sum += p[i * PAGE];
	SHOW(sum);
	SHOW(madvise(p, 64 * PAGE, MADV_DONTNEED));
	SHOW(p[0] + p[63 * PAGE]);
	munmap(p, 64 * PAGE);
}

int main(void)
{
	setbuf(stdout, NULL);
	scratch_enter();
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	futexes();
	in_a_file();
	semaphores();
	mutexes();
	robust();
	inherited();
	objects();
	anonymous();
	return 0;
}
