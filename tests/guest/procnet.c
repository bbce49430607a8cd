/* procnet.c: what /proc/net says of this program's sockets. */
#include "net.h"

#include <sys/stat.h>
#include <sys/un.h>

static unsigned long inode(int fd)
{
	struct stat st = { 0 };

	fstat(fd, &st);
	return st.st_ino;
}

/* Lines of the table about these ports; ports become names, inodes whether they
 * are right. */
static void show(const char *table, const int *fds, int count)
{
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/net/%s", table);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f)) {
		printf("no %s\n", path);
		return;
	}
	printf("%s: heading of %zu: %s", table, strlen(line), line);
	while (fgets(line, sizeof(line), f)) {
		char local[64], remote[64], state[8], queues[32];
		unsigned uid, timeout;
		unsigned long number;
		int found = -1;

		if (sscanf(line, " %*d: %63s %63s %7s %31s %*s %*s %u %u %lu",
			   local, remote, state, queues, &uid, &timeout,
			   &number) != 7) {
			printf("unlike others: %s", line);
			continue;
		}
		for (int i = 0; i < count; i++)
			if (strtol(strrchr(local, ':') + 1, NULL, 16) ==
				    port_of(fds[i]) &&
			    (!number || inode(fds[i]) == number))
				found = i;
		if (found < 0)
			continue;
		*strrchr(local, ':') = 0;
		printf("%s %d: %s %.*s %s%s %s %u %s, %zu\n", table, found,
		       local, (int)(strrchr(remote, ':') - remote), remote,
		       strcmp(strrchr(remote, ':'), ":0000") ? " a port" :
							       " no port",
		       state, queues, uid, number ? "inode" : "none",
		       strchr(table, '6') ? 0 : strlen(line));
	}
	fclose(f);
}

static void tcp(void)
{
	struct three t = three_new();
	int six = listener("::1", 3),
	    fds[] = { t.listener, t.client, t.server, six };

	send(t.client, "12345", 5, 0);
	usleep(60000);
	show("tcp", (int[]){ t.listener }, 1);
	show("tcp", (int[]){ t.client }, 1);
	show("tcp", (int[]){ t.server }, 1);
	show("tcp6", fds, 4);
	close(six);
	three_close(&t);
}

static void udp(void)
{
	int a = socket(AF_INET, SOCK_DGRAM, 0),
	    b = socket(AF_INET6, SOCK_DGRAM, 0);

	bind_to(a, "127.0.0.2", 0);
	connect_to(a, "127.0.0.1", 9);
	bind_to(b, "::", 0);
	show("udp", &a, 1);
	show("udp6", &b, 1);
	close(a);
	close(b);
}

static void local(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX,
				    .sun_path = "\0procnet" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), pair[2];
	char line[512];
	FILE *f = fopen("/proc/net/unix", "r");

	if (bind(s, (void *)&name, 2 + 8) || listen(s, 1) ||
	    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) || !f)
		return;
	while (fgets(line, sizeof(line), f)) {
		unsigned protocol, flags, type, state;
		unsigned long number;
		char path[128] = "";

		if (sscanf(line, "%*[0-9a-f]: %*x %x %x %x %x %lu %127s",
			   &protocol, &flags, &type, &state, &number, path) < 5)
			continue;
		if (number == inode(s) || number == inode(pair[0]))
			printf("unix %u %#x %u %u \"%s\"\n", protocol, flags,
			       type, state, path);
	}
	fclose(f);
	close(s);
	close(pair[0]);
	close(pair[1]);
}

static void device(void)
{
	char line[512];
	FILE *f = fopen("/proc/net/dev", "r");

	while (f && fgets(line, sizeof(line), f)) {
		long received, packets, sent;

		if (sscanf(line, " lo: %ld %ld %*d %*d %*d %*d %*d %*d %ld",
			   &received, &packets, &sent) == 3)
			printf("lo has counted: %d %d\n",
			       received > 0 && packets > 0, received == sent);
		else if (strstr(line, "lo:") || strchr(line, '|'))
			printf("%s", line);
	}
	fclose(f);
	f = fopen("/proc/net/sockstat", "r");
	while (f && fgets(line, sizeof(line), f))
		printf("%.4s\n", line);
	fclose(f);
}

/* An image without the file has one, too. */
static void hosts(void)
{
	char line[512], address[64], name[64];
	FILE *f = fopen("/etc/hosts", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %63s", address, name) == 2 &&
		    !strcmp(name, "localhost") && !strcmp(address, "127.0.0.1"))
			printf("localhost is %s\n", address);
	if (f)
		fclose(f);
}

int main(void)
{
	hosts();
	tcp();
	udp();
	local();
	device();
	return 0;
}
