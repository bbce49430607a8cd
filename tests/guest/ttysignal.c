/*
 * ttysignal.c: terminals of sessions: who has one, signals that are typed, jobs
 * in the background, hangups.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "child.h"
#include "terminal.h"

static void wait_end(const char *what, pid_t pid, int options)
{
	int status = 0;

	while (waitpid(pid, &status, options) < 0)
		if (errno != EINTR) {
			printf("%s: %s\n", what, strerrorname_np(errno));
			return;
		}
	child_show(what, status);
}

/* Runs it in a child that leads a session of its own; the slave is not its
 * terminal yet. */
static void in_session(const char *what, void (*run)(void))
{
	pid_t pid;

	printf("- %s\n", what);
	fflush(stdout);
	pair();
	pid = fork();
	if (pid == 0) {
		setsid();
		run();
		fflush(stdout);
		_exit(0);
	}
	wait_end("leader", pid, 0);
	unpair();
}

static void acquire(void)
{
	if (ioctl(slave, TIOCSCTTY, 0))
		perror("TIOCSCTTY");
}

/* The fields of /proc/self/stat: the terminal, and the group in front. */
static void stat_fields(int *number, int *group)
{
	char text[512], *end;
	int fd = open("/proc/self/stat", O_RDONLY);
	long n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = 0;
	end = strrchr(text, ')');
	*number = *group = -7;
	sscanf(end + 1, " %*c %*d %*d %*d %d %d", number, group);
}

static void show_stat(void)
{
	int number, group;
	struct stat st;

	stat_fields(&number, &group);
	fstat(slave, &st);
	printf("tty_nr %s, tpgid %s\n",
	       number == 0                 ? "0" :
	       (dev_t)number == st.st_rdev ? "of the slave" :
					     "of another",
	       group == -1        ? "-1" :
	       group == getpgrp() ? "own" :
				    "of another");
}

static void sessions(void)
{
	char path[64], name[64];
	int f, tty, n;

	ptsname_r(master, path, sizeof(path));
	show_stat();
	SHOW(open("/dev/tty", O_RDWR));
	SHOW(tcgetpgrp(slave));
	SHOW(tcgetsid(slave));
	SHOW(tcgetpgrp(master));
	SHOW(ioctl(slave, TIOCNOTTY));
	SHOW(tcsetpgrp(slave, getpgrp()));
	SHOW((f = open(path, O_RDWR | O_NOCTTY)) >= 0);
	close(f);
	SHOW((f = open(path, O_WRONLY)) >= 0);
	show_stat();
	SHOW((tty = open(path, O_RDONLY)) >= 0);
	show_stat();
	close(tty);
	close(f);
	SHOW(tcgetpgrp(slave) == getpgrp());
	SHOW(tcgetpgrp(master) == getpgrp());
	SHOW(tcgetsid(slave) == getsid(0));
	SHOW(tcgetsid(master) == getsid(0));
	SHOW(ioctl(slave, TIOCSCTTY, 0));
	SHOW((tty = open("/dev/tty", O_RDWR)) >= 0);
	SHOW(ttyname_r(tty, name, sizeof(name)));
	puts(name);
	SHOW(isatty(tty));
	SHOW(write(tty, "tty", 3));
	shown("master", 3);
	SHOW(ioctl(master, TIOCNOTTY));
	if (fork() == 0) {
		show_stat();
		SHOW(ioctl(slave, TIOCSCTTY, 0));
		SHOW(ioctl(slave, TIOCNOTTY)); /* for itself */
		show_stat();
		SHOW(open("/dev/tty", O_RDWR));
		SHOW(ioctl(slave, TIOCSCTTY, 0));
		exit(0);
	}
	wait_end("child", -1, 0);
	if (fork() == 0) {
		SHOW(setsid() > 0);
		show_stat();
		SHOW(ioctl(slave, TIOCSCTTY, 0)); /* it is another's */
		SHOW((f = open(path, O_RDWR)) >= 0);
		show_stat();
		SHOW(tcsetpgrp(slave, getpgrp()));
		exit(0);
	}
	wait_end("child", -1, 0);
	SHOW(tcsetpgrp(slave, -1));
	SHOW(tcsetpgrp(slave, 0x3fffffff));
	SHOW(tcsetpgrp(slave, getppid())); /* a group of another session */
	n = getpgrp();
	SHOW(ioctl(master, TIOCSPGRP, &n));
	SHOW(tcsetpgrp(slave, getpgrp()));
	signal(SIGHUP, SIG_IGN);
	SHOW(ioctl(slave, TIOCNOTTY));
	show_stat();
	SHOW(write(tty, "still", 5));
	shown("master", 5);
	SHOW(ioctl(slave, TIOCSCTTY, 0));
	show_stat();
	close(tty);
}

static volatile sig_atomic_t seen[65], codes[65];

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen[signo]++;
	codes[signo] = info->si_code == SI_KERNEL ? info->si_pid == 0 : -1;
}

static void catch (int signo)
{
	struct sigaction a = { .sa_sigaction = on_signal,
			       .sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(signo, &a, NULL);
}

static void show_seen(int signo)
{
	for (int i = 0; i < 20000 && !seen[signo]; i++)
		usleep(1000);
	printf("SIG%s %d of the kernel %d\n", sigabbrev_np(signo), seen[signo],
	       codes[signo]);
	fflush(stdout);
	seen[signo] = 0;
}

static void typed(void)
{
	int n = -1;

	acquire();
	catch (SIGINT);
	catch (SIGQUIT);
	catch (SIGTSTP);
	catch (SIGWINCH);
	type("abc\003", 2);
	show_seen(SIGINT);
	type("d\034", 2);
	show_seen(SIGQUIT);
	type("e\032", 2);
	show_seen(SIGTSTP);
	type("f\n", 3);
	got(100);
	flags(ICRNL, 0, ISIG | ICANON | NOFLSH);
	type("abc\003d\n", 0);
	show_seen(SIGINT);
	got(100);
	flags(ICRNL, 0, ISIG);
	type("x\003y", 0);
	show_seen(SIGINT);
	got(100);
	control(VINTR, 'q');
	type("q\003", 0);
	show_seen(SIGINT);
	got(100);
	flags(ICRNL, 0, 0);
	type("q", 0);
	got(100);
	printf("%d\n", seen[SIGINT]);
	SHOW(ioctl(master, TIOCSIG, SIGINT));
	show_seen(SIGINT);
	SHOW(ioctl(master, TIOCSIG, SIGQUIT));
	show_seen(SIGQUIT);
	SHOW(ioctl(master, TIOCSIG, SIGHUP));
	SHOW(ioctl(slave, TIOCSIG, SIGINT));
	SHOW(ioctl(slave, TIOCSWINSZ, &(struct winsize){ 1, 2, 3, 4 }));
	show_seen(SIGWINCH);
	SHOW(ioctl(master, TIOCSWINSZ, &(struct winsize){ 1, 2, 3, 4 }));
	usleep(1000);
	printf("%d\n", seen[SIGWINCH]); /* nothing has changed */
	SHOW(ioctl(slave, FIONREAD, &n));
	signal(SIGINT, SIG_DFL);
	flags(ICRNL, 0, ISIG | ICANON);
	control(VINTR, 3);
	type("\003", 0);
	pause();
}

/* A job may start; it is ready. */
static struct gate start, ready;

static void gates(void)
{
	start = gate_make();
	ready = gate_make();
}

/* A job of its own group; in front, or not. */
static pid_t job(void (*run)(void), int front)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		gate_pass(&start);
		run();
		fflush(stdout);
		_exit(7);
	}
	setpgid(pid, pid);
	if (front && tcsetpgrp(slave, pid))
		perror("tcsetpgrp");
	gate_open(&start);
	return pid;
}

static void resume(pid_t pid)
{
	tcsetpgrp(slave, pid);
	kill(-pid, SIGCONT);
}

static void retake(void)
{
	tcsetpgrp(slave, getpgrp());
}

static void reader(void)
{
	got(100);
}

static void reader_ignoring(void)
{
	signal(SIGTTIN, SIG_IGN);
	got(100);
}

static void reader_catching(void)
{
	struct sigaction a = { .sa_sigaction = on_signal,
			       .sa_flags = SA_SIGINFO };

	sigaction(SIGTTIN, &a, NULL);
	got(100);
	show_seen(SIGTTIN);
}

static void writer(void)
{
	SHOW(write(slave, "job", 3));
}

static void writer_ignoring(void)
{
	signal(SIGTTOU, SIG_IGN);
	writer();
}

static void writer_blocking(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, NULL);
	writer();
	SHOW(tcsetpgrp(slave, getpgrp()));
}

static void setter(void)
{
	struct termios t;

	SHOW(tcgetattr(slave, &t));
	SHOW(tcsetattr(slave, TCSANOW, &t));
}

static void front_setter(void)
{
	SHOW(tcsetpgrp(slave, getpgrp()));
}

static void window(void)
{
	SHOW(ioctl(slave, TIOCSWINSZ, &(struct winsize){ 5, 6, 7, 8 }));
}

static void sleeper(void)
{
	gate_open(&ready);
	for (;;)
		pause();
}

static void sleeper_without(void)
{
	close(master);
	sleeper();
}

static void jobs(void)
{
	pid_t pid;

	gates();
	acquire();
	signal(SIGTTOU, SIG_IGN);
	flags(ICRNL | IXON, 0, ISIG | ICANON);
	signal(SIGTTOU, SIG_IGN);
	puts("a reader in the background");
	pid = job(reader, 0);
	wait_end("job", pid, WUNTRACED);
	type("line\n", 0);
	resume(pid);
	wait_end("job", pid, 0);
	retake();
	wait_end("job", job(reader_ignoring, 0), WUNTRACED);
	wait_end("job", job(reader_catching, 0), WUNTRACED);
	puts("a reader that is stopped takes nothing");
	pid = job(reader, 1);
	child_until(pid, 'S');
	type("\032", 0);
	wait_end("job", pid, WUNTRACED);
	retake();
	type("mine\n", 0);
	got(100);
	resume(pid);
	type("its\n", 0);
	wait_end("job", pid, 0);
	retake();
	puts("a writer in the background");
	signal(SIGTTOU, SIG_DFL);
	wait_end("job", job(writer, 0), WUNTRACED);
	shown("master", 3);
	flags(ICRNL | IXON, 0, ISIG | ICANON | TOSTOP);
	pid = job(writer, 0);
	wait_end("job", pid, WUNTRACED);
	resume(pid);
	wait_end("job", pid, 0);
	signal(SIGTTOU, SIG_IGN);
	retake();
	signal(SIGTTOU, SIG_DFL);
	shown("master", 3);
	wait_end("job", job(writer_ignoring, 0), WUNTRACED);
	shown("master", 3);
	wait_end("job", job(writer_blocking, 0), WUNTRACED);
	shown("master", 3);
	signal(SIGTTOU, SIG_IGN);
	retake();
	signal(SIGTTOU, SIG_DFL);
	puts("one that changes the terminal");
	pid = job(setter, 0);
	wait_end("job", pid, WUNTRACED);
	kill(pid, SIGKILL);
	wait_end("job", pid, 0);
	pid = job(front_setter, 0);
	wait_end("job", pid, WUNTRACED);
	kill(pid, SIGKILL);
	wait_end("job", pid, 0);
	wait_end("job", job(window, 0), WUNTRACED);
	puts("signals to the job in front");
	pid = job(sleeper, 1);
	gate_pass(&ready);
	type("\032", 0);
	wait_end("job", pid, WUNTRACED);
	kill(-pid, SIGCONT);
	wait_end("job", pid, WCONTINUED);
	type("\003", 0);
	wait_end("job", pid, 0);
	SHOW(tcgetpgrp(master) == pid); /* though nobody is in it */
	signal(SIGTTOU, SIG_IGN);
	retake();
	signal(SIGTTOU, SIG_DFL);
	pid = job(sleeper, 0);
	gate_pass(&ready);
	signal(SIGINT, SIG_IGN);
	type("\003", 0); /* is not for it */
	kill(pid, SIGTERM);
	wait_end("job", pid, 0);
}

/* In a group that nobody would continue. */
static void orphans(void)
{
	acquire();
	flags(ICRNL | IXON, 0, ISIG | ICANON | TOSTOP);
	gates();
	if (fork() == 0) {
		/* its parent is in its group, but the leader's child is not */
		setpgid(0, 0);
		if (fork() == 0) {
			kill(getppid(), SIGKILL);
			gate_pass(&ready);
			got(100);
			SHOW(write(slave, "x", 1));
			setter();
			SHOW(tcsetpgrp(slave, getpgrp()));
			SHOW(raise(SIGTSTP));
			signal(SIGTTOU, SIG_IGN);
			flags(0, 0, 0);
			if (write(slave, "end", 3) != 3)
				puts("short");
			_exit(0);
		}
		for (;;)
			pause();
	}
	wait_end("parent", -1, 0);
	gate_open(&ready);
	wait_end("its child", -1, 0); /* no child of this one */
	while (!(events(master) & POLLIN))
		usleep(1000);
}

static void hangups(void)
{
	pid_t pid;

	gates();
	unpair();
	pair(); /* nobody else has it */
	acquire();
	catch (SIGHUP);
	catch (SIGCONT);
	pid = job(sleeper_without, 1);
	gate_pass(&ready);
	close(master);
	show_seen(SIGHUP);
	show_seen(SIGCONT);
	show_stat();
	SHOW(open("/dev/tty", O_RDWR));
	SHOW(kill(pid, 0)); /* nobody told it */
	SHOW(tcgetpgrp(slave));
	kill(pid, SIGKILL);
	SHOW(read(slave, &pid, 1));
}

static int go[2];

static void leaves(void)
{
	char c;

	acquire();
	gates();
	if (fork() == 0) {
		catch (SIGHUP);
		gate_open(&ready);
		close(go[1]);
		SHOW(read(go[0], &c, 1)); /* until it may print */
		show_seen(SIGHUP);
		show_stat();
		fflush(stdout);
		_exit(0);
	}
	gate_pass(&ready);
}

/* The leader's end leaves a group in front, which gets SIGHUP. */
static void leader_ends(void)
{
	int done[2];
	char c;

	if (pipe(go) || pipe(done))
		perror("pipe");
	in_session("the leader ends", leaves);
	close(go[0]);
	close(go[1]);
	close(done[1]);
	SHOW(read(done[0], &c, 1)); /* until it has ended */
	close(done[0]);
}

int main(void)
{
	in_session("sessions", sessions);
	in_session("typed", typed);
	in_session("jobs", jobs);
	in_session("orphans", orphans);
	in_session("hangups", hangups);
	leader_ends();
	puts("done");
	return 0;
}
