/* execve.c: programs that become others: what is found, what is refused, what
 * they get. The program runs copies of itself. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

extern char **environ;
static char self[4096];
static char **arguments;
static const char *target;
static int flags, directory = AT_FDCWD;

static unsigned long hash(char **list, long *count)
{
	unsigned long h = 5381;

	for (*count = 0; list[*count]; ++*count)
		for (char *p = list[*count]; *p; p++)
			h = h * 33 + (unsigned char)*p;
	return h;
}

/* What the new program says of itself. */
static int shown(int argc, char **argv)
{
	printf("  %d:", argc);
	for (char **a = argv; *a; a++)
		printf(" [%s]", *a);
	printf(" environment:");
	for (char **e = environ; *e; e++)
		printf(" [%s]", *e);
	printf("\n  started as %s\n", (char *)getauxval(AT_EXECFN));
	return 0;
}

static int counted(int argc, char **argv)
{
	long m, n;
	unsigned long h = hash(argv, &m), e = hash(environ, &n);

	printf("  %d %ld %lx, %ld %lx, %d\n", argc, m, h, n, e,
	       argv + m + 1 == environ);
	return 0;
}

static int replace(void)
{
	static char *environment[] = { "A=1", "B=", "noequal", "A=2", "", NULL };

	RAW(execveat, directory, target, arguments, environment, flags);
	printf("  %s: %s\n", target ? target : "NULL", strerrorname_np(errno));
	return 111;
}

static void try(const char *path, char **with)
{
	target = path, arguments = with;
	child_run(path ? path : "NULL", replace);
}

static void at(int fd, const char *path, int with)
{
	static char *list[] = { "self", "show", NULL };

	directory = fd, flags = with;
	try(path, list);
	directory = AT_FDCWD, flags = 0;
}

static void put(const char *path, const void *text, size_t size, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	if (write(fd, text, size) != (ssize_t)size || fchmod(fd, mode))
		perror(path);
	close(fd);
}

static void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text), 0755);
}

/* A copy of the program. */
static void copy(const char *path)
{
	int from = open(self, O_RDONLY | O_CLOEXEC),
	    to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	struct stat st;

	fstat(from, &st);
	for (off_t at = 0; at < st.st_size;)
		if (sendfile(to, from, &at, (size_t)(st.st_size - at)) <= 0)
			perror("sendfile");
	close(from);
	close(to);
}

static void arguments_and_environment(void)
{
	char *plain[] = { "self", "show", "a b", "", "\t\"\\", NULL },
	     *none[] = { NULL };
	char *odd[] = { "", "show", NULL };

	try("./prog", plain);
	try("./prog", odd);
	try("./prog", none);
	try("./prog", NULL);
	SHOW(RAW(execve, "./prog", 8, NULL));
	SHOW(RAW(execve, 8, plain, NULL));
	SHOW(RAW(execve, "./prog", plain, 8));
	SHOW(RAW(execve, "./prog", (char *[]){ "self", (char *)8, NULL },
		 NULL));
}

static void refused(void)
{
	char *list[] = { "self", "show", NULL }, name[300];
	static char zeros[8192];
	Elf64_Ehdr header;
	int fd;

	try("nowhere", list);
	try("", list);
	try(".", list);
	try("prog/below", list);
	SHOW(symlink("loop", "loop"));
	try("loop", list);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	target = name, arguments = list;
	SHOW(RAW(execve, name, list, NULL));
	put("none", "", 0, 0755);
	try("none", list);
	put("zeros", zeros, sizeof(zeros), 0755);
	try("zeros", list);
	put_text("text", "echo no\n");
	try("text", list);
	fd = open("prog", O_RDONLY);
	SHOW(read(fd, &header, sizeof(header)));
	close(fd);
	put("header", &header, sizeof(header), 0755);
	try("header", list);
	put("shorter", &header, sizeof(header) - 1, 0755);
	try("shorter", list);
	header.e_machine = EM_386;
	put("machine", &header, sizeof(header), 0755);
	try("machine", list);
	header.e_machine = EM_X86_64, header.e_type = ET_REL;
	put("object", &header, sizeof(header), 0755);
	try("object", list);
	header.e_type = ET_EXEC, header.e_phentsize = 1;
	put("headers", &header, sizeof(header), 0755);
	try("headers", list);
	put("mode", "#!./prog\n", 9, 0644);
	try("mode", list);
	SHOW(mkfifo("fifo", 0777));
	try("fifo", list);
	try("/dev/null", list);
}

static int as_nobody(void)
{
	char *list[] = { "self", "show", NULL };

	if (setgid(54321) || setuid(54321))
		return 1;
	SHOW(RAW(execve, "closed/prog", list, NULL));
	SHOW(RAW(execve, "owners", list, NULL));
	SHOW(RAW(execve, "unread", list, NULL));
	return 0;
}

static void permissions(void)
{
	chmod(".", 0755);
	mkdir("closed", 0700);
	copy("closed/prog");
	copy("owners");
	chmod("owners", 0744);
	copy("unread");
	chmod("unread", 0711);
	child_run("as nobody", as_nobody);
}

static void scripts(void)
{
	char *list[] = { "self", "show", "x", NULL }, name[40], text[300];

	put_text("script", "#!./prog show\nrest\n");
	try("./script", list);
	put_text("spaces", "#! \t./prog   show with spaces \t \n");
	try("./spaces", list);
	put_text("bare", "#!./prog");
	try("./bare", (char *[]){ "self", "y", NULL });
	put_text("empty", "#!\n");
	try("./empty", list);
	put_text("blank", "#!   \n");
	try("./blank", list);
	put_text("alone", "#!");
	try("./alone", list);
	put_text("spaced", "#! \t");
	try("./spaced", list);
	put_text("missing", "#!./nowhere\n");
	try("./missing", list);
	put_text("folder", "#!/\n");
	try("./folder", list);
	put_text("carriage", "#!./prog\r\n");
	try("./carriage", list);
	put("zero", "#!./prog\0x show\n", 16, 0755);
	try("./zero", list);
	put_text("nested0", "#!./prog show\n");
	for (int i = 1; i < 7; i++) {
		snprintf(name, sizeof(name), "nested%d", i);
		snprintf(text, sizeof(text), "#!./nested%d n%d\n", i - 1, i);
		put_text(name, text);
	}
	try("./nested3", list);
	try("./nested4", list);
	try("./nested5", list);
	try("./nested6", list);
	memset(text, 'a', sizeof(text));
	memcpy(text, "#!./prog show ", 14);
	put("long", text, 300, 0755);
	try("./long", list);
	memset(text + 2, 'a', 290);
	put("longer", text, 300, 0755);
	try("./longer", list);
	try("./script", NULL);
}

/* The descriptor moved to a number that does not depend on what is open. */
static int numbered(int number, int fd)
{
	dup2(fd, number);
	close(fd);
	return number;
}

/* A program of which only the first page is there. */
static void cut_off(void)
{
	static char page[4096];
	int fd = open(self, O_RDONLY);

	read(fd, page, sizeof(page));
	close(fd);
	put("cut", page, sizeof(page), 0755);
	try("./cut", (char *[]){ "self", "show", NULL });
}

static void by_descriptor(void)
{
	int fd = numbered(50, open("prog", O_RDONLY)),
	    path = numbered(51, open("prog", O_PATH));
	int dir = numbered(52, open(".", O_DIRECTORY)),
	    script = numbered(53, open("script", O_RDONLY));
	int closing = numbered(54, open("script", O_RDONLY)),
	    memory = numbered(55, memfd_create("program", 0));
	int source = open(self, O_RDONLY);

	fcntl(closing, F_SETFD, FD_CLOEXEC);
	for (off_t o = 0; sendfile(memory, source, &o, 1 << 20) > 0;)
		;
	close(source);

	at(fd, "", AT_EMPTY_PATH);
	at(path, "", AT_EMPTY_PATH);
	at(fd, "", 0);
	at(dir, "prog", 0);
	at(dir, "", AT_EMPTY_PATH);
	at(fd, "prog", 0);
	at(99, "prog", 0);
	at(99, "", AT_EMPTY_PATH);
	at(fd, "prog", 0x10);
	SHOW(symlink("prog", "link"));
	at(dir, "link", 0);
	at(dir, "link", AT_SYMLINK_NOFOLLOW);
	at(closing, "", AT_EMPTY_PATH);
	at(script, "", AT_EMPTY_PATH);
	at(dir, "script", 0);
	at(memory, "", AT_EMPTY_PATH);
	close(fd), close(path), close(dir), close(closing), close(script),
		close(memory);
}

static void busy(void)
{
	char *list[] = { "self", "show", NULL },
	     *waits[] = { "self", "wait", NULL };
	int fd = open("prog", O_WRONLY | O_CLOEXEC);
	struct gate g = gate_make();
	pid_t pid;

	try("./prog", list);
	close(fd);
	dup2(g.ends[0], 30);
	arguments = waits, target = "./prog";
	pid = child_start(replace);
	while (open("prog", O_RDONLY) < 0 || child_state(pid) != 'S')
		pause_ms(1);
	SHOW(open("prog", O_WRONLY));
	SHOW(open("prog", O_RDONLY | O_TRUNC));
	SHOW(truncate("prog", 0));
	SHOW(rename("prog", "moved"));
	SHOW(unlink("moved"));
	gate_open(&g);
	child_end("busy", pid);
	close(30);
	copy("prog");
	fd = open("prog", O_WRONLY);
	SHOW(fd >= 0);
	close(fd);
}

/* Strings of a size, so many. */
static long strings(long size, long count)
{
	char **list = calloc((size_t)count + 3, sizeof(*list)),
	     *text = malloc((size_t)size + 1);
	int status;

	memset(text, 'z', (size_t)size);
	text[size] = 0;
	list[0] = "self", list[1] = "count";
	for (long i = 0; i < count; i++)
		list[i + 2] = text;
	arguments = list, target = "./prog";
	waitpid(child_start(replace), &status, 0);
	free(list), free(text);
	return WEXITSTATUS(status);
}

static void too_much(void)
{
	setrlimit(RLIMIT_STACK, &(struct rlimit){ 8 << 20, RLIM_INFINITY });
	SHOW(strings(131071, 1));
	SHOW(strings(131072, 1));
	SHOW(strings(100000, 20));
	SHOW(strings(100000, 21));
	SHOW(strings(1, 200000));
	SHOW(strings(1, 230000));
	setrlimit(RLIMIT_STACK, &(struct rlimit){ 1 << 20, RLIM_INFINITY });
	SHOW(strings(60000, 4));
	SHOW(strings(60000, 5));
	setrlimit(RLIMIT_STACK, &(struct rlimit){ 8 << 20, RLIM_INFINITY });
}

static void *replaces(void *list)
{
	execv("./prog", list);
	return NULL;
}

static void *sleeps(void *unused)
{
	pause();
	return unused;
}

static int from_thread(void)
{
	char number[20], *list[] = { "self", "tid", number, NULL };
	pthread_t t;

	snprintf(number, sizeof(number), "%d", getpid());
	pthread_create(&t, NULL, sleeps, NULL);
	pthread_create(&t, NULL, replaces, list);
	pthread_join(t, NULL);
	return 1;
}

static int shown_tid(char **argv)
{
	printf("  the process's number %d, the first thread %d\n",
	       getpid() == atoi(argv[2]), gettid() == getpid());
	return 0;
}

int main(int argc, char **argv)
{
	char c;

	setbuf(stdout, NULL);
	if (argc > 1 && !strcmp(argv[1], "show"))
		return shown(argc, argv);
	if (argc > 1 && !strcmp(argv[1], "count"))
		return counted(argc, argv);
	if (argc > 1 && !strcmp(argv[1], "wait"))
		return read(30, &c, 1) != 1;
	if (argc > 1 && !strcmp(argv[1], "tid"))
		return shown_tid(argv);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	/* A program that was given no arguments, or a script's name. */
	if (strstr(self, "zeroboot-"))
		return shown(argc, argv);
	scratch_enter();
	copy("prog");
	arguments_and_environment();
	refused();
	permissions();
	scripts();
	cut_off();
	by_descriptor();
	busy();
	too_much();
	child_run("from a thread", from_thread);
	return 0;
}
