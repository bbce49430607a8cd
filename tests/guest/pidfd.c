/* pidfd.c: descriptors of the own process, and process 1. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

#define SIGNAL_THREAD 1
#define SIGNAL_PROCESS 2
#define SIGNAL_GROUP 4

static volatile pid_t other;
static int stop[2];

static void *wait_for_end(void *arg)
{
	char c;

	other = gettid();
	return read(stop[0], &c, 1) ? NULL : arg;
}

static void handle(int signo, siginfo_t *info, void *context)
{
	(void)context;
	printf("handler: %d, code %d, own %d, value %d\n", signo == SIGUSR1,
	       info->si_code, info->si_pid == getpid(),
	       info->si_value.sival_int);
}

static void opening(int fd)
{
	char c, path[64], link[64] = "";
	struct pollfd p = { fd, -1, 0 };
	struct stat st;

	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(fd, F_GETFL));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SHOW(readlink(path, link, sizeof(link) - 1) > 0);
	puts(link);
	SHOW(fstat(fd, &st));
	printf("mode %o, size %ld, links %ld\n", st.st_mode, (long)st.st_size,
	       (long)st.st_nlink);
	SHOW(read(fd, &c, 1));
	SHOW(write(fd, &c, 1));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(poll(&p, 1, 0));
	SHOW(RAW(pidfd_open, 0, 0));
	SHOW(RAW(pidfd_open, -1, 0));
	SHOW(RAW(pidfd_open, 0x7fffffff, 0));
	SHOW(RAW(pidfd_open, other, 0));
	SHOW(RAW(pidfd_open, getpid(), 1));
	SHOW(RAW(pidfd_open, getpid(), O_CLOEXEC));
	SHOW(fcntl((int)RAW(pidfd_open, getpid(), O_NONBLOCK), F_GETFL) &
	     O_NONBLOCK);
}

static void sending(int fd)
{
	struct sigaction action = { .sa_sigaction = handle,
				    .sa_flags = SA_SIGINFO };
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };

	sigaction(SIGUSR1, &action, NULL);
	info.si_pid = getpid();
	info.si_value.sival_int = 7;
	SHOW(RAW(pidfd_send_signal, fd, SIGUSR1, NULL, 0));
	SHOW(RAW(pidfd_send_signal, fd, SIGUSR1, NULL, SIGNAL_THREAD));
	SHOW(RAW(pidfd_send_signal, fd, SIGUSR1, NULL, SIGNAL_PROCESS));
	SHOW(RAW(pidfd_send_signal, fd, SIGUSR1, &info, 0));
	SHOW(RAW(pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(RAW(pidfd_send_signal, fd, 65, NULL, 0));
	SHOW(RAW(pidfd_send_signal, fd, -1, NULL, 0));
	SHOW(RAW(pidfd_send_signal, fd, SIGUSR2, &info, 0));
	SHOW(RAW(pidfd_send_signal, fd, SIGUSR1, 8, 0));
	SHOW(RAW(pidfd_send_signal, fd, SIGUSR1, NULL,
		 SIGNAL_THREAD | SIGNAL_GROUP));
	SHOW(RAW(pidfd_send_signal, fd, SIGUSR1, NULL, 8));
	SHOW(RAW(pidfd_send_signal, 0, SIGUSR1, NULL, 0));
	SHOW(RAW(pidfd_send_signal, 99, SIGUSR1, NULL, 0));
}

/* Directories of /proc stand for processes, too; what else is there does not. */
static void sending_to_directories(void)
{
	int process = open("/proc/self", O_DIRECTORY),
	    file = open("/proc/self/stat", O_RDONLY);
	int thread = open("/proc/thread-self", O_DIRECTORY),
	    all = open("/proc", O_DIRECTORY);
	int path = open("/proc/self", O_PATH);

	SHOW(RAW(pidfd_send_signal, process, SIGUSR1, NULL, 0));
	SHOW(RAW(pidfd_send_signal, thread, SIGUSR1, NULL, 0));
	SHOW(RAW(pidfd_send_signal, all, SIGUSR1, NULL, 0));
	SHOW(RAW(pidfd_send_signal, file, SIGUSR1, NULL, 0));
	SHOW(RAW(pidfd_send_signal, path, SIGUSR1, NULL, 0));
	SHOW(RAW(pidfd_getfd, process, 0, 0));
}

static void getting(int fd)
{
	int copy;

	SHOW((copy = (int)RAW(pidfd_getfd, fd, stop[1], 0)) >= 0);
	SHOW(fcntl(copy, F_GETFD));
	SHOW(write(copy, "x", 1));
	SHOW(RAW(pidfd_getfd, fd, 99, 0));
	SHOW(RAW(pidfd_getfd, fd, 0, 1));
	SHOW(RAW(pidfd_getfd, 0, 0, 0));
	SHOW(RAW(pidfd_getfd, 99, 0, 0));
}

/* It is there, and nobody can hurt it. */
static void first_process(void)
{
	static const int limits[] = { RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_CPU };
	struct sched_param parameter;
	struct rlimit limit;

	SHOW(kill(1, 0));
	SHOW(sched_getscheduler(1) >= 0);
	SHOW(sched_getparam(1, &parameter));
	SHOW(getpriority(PRIO_PROCESS, 1) <= 0 && !errno);
	SHOW(getpgid(1) == 1 || getpgid(1) == 0);
	SHOW(getsid(1) == 1 || getsid(1) == 0);
	SHOW(RAW(pidfd_open, 1, 0) >= 0);
	for (int i = 0; i < 3; i++) {
		SHOW(prlimit(1, limits[i], NULL, &limit));
		SHOW(prlimit(1, limits[i], &limit, NULL)); /* as it is */
	}
}

int main(void)
{
	pthread_t t;
	int fd;

	setbuf(stdout, NULL);
	if (pipe(stop) || pthread_create(&t, NULL, wait_for_end, NULL))
		return 1;
	while (!other)
		sched_yield();
	SHOW((fd = (int)RAW(pidfd_open, getpid(), 0)) >= 0);
	opening(fd);
	sending(fd);
	sending_to_directories();
	first_process();
	getting(fd);
	pthread_join(t, NULL);
	SHOW(close(fd));
	return 0;
}
