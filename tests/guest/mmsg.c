/* mmsg.c: sendmmsg and recvmmsg. */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static char text[4][8];
static struct iovec parts[4];
static struct mmsghdr all[4];
static int s[2];

static void prepare(void)
{
	memset(text, 0, sizeof(text));
	memset(all, 0, sizeof(all));
	for (int i = 0; i < 4; i++) {
		parts[i] = (struct iovec){ text[i], 7 };
		all[i].msg_hdr.msg_iov = &parts[i];
		all[i].msg_hdr.msg_iovlen = 1;
	}
}

static void show(int n)
{
	for (int i = 0; i < n; i++)
		printf("  %u <%s> %x\n", all[i].msg_len, text[i],
		       all[i].msg_hdr.msg_flags);
}

static void send_three(void)
{
	prepare();
	for (int i = 0; i < 3; i++) {
		strcpy(text[i], i ? "second" : "first");
		parts[i].iov_len = strlen(text[i]) + (size_t)(i == 2);
	}
	SHOW(sendmmsg(s[0], all, 3, 0));
	printf("%u %u %u\n", all[0].msg_len, all[1].msg_len, all[2].msg_len);
}

int main(void)
{
	struct timespec brief = { 0, 0 }, bad = { 0, -1 }, five = { 5, 123 };

	SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	send_three();
	prepare();
	SHOW(recvmmsg(s[1], all, 2, 0, NULL));
	show(2);
	SHOW(recvmmsg(s[1], all, 4, MSG_WAITFORONE, NULL));
	show(1);
	SHOW(recvmmsg(s[1], all, 4, MSG_DONTWAIT, NULL));
	send_three();
	prepare();
	SHOW(recvmmsg(s[1], all, 4, 0, &brief));
	show(1);
	SHOW(recvmmsg(s[1], all, 3, MSG_DONTWAIT, NULL));
	/* Nothing is there. */
	SHOW(recvmmsg(s[1], all, 3, MSG_DONTWAIT, &five));
	SHOW(recvmmsg(s[1], all, 0, 0, &five));
	printf("left %ld, %ld\n", (long)five.tv_sec, five.tv_nsec);
	SHOW(recvmmsg(s[1], all, 0, 0, NULL));
	SHOW(recvmmsg(s[1], all, 1, 0, &bad));
	SHOW(recvmmsg(99, all, 1, 0, NULL));
	SHOW(sendmmsg(99, all, 1, 0));
	SHOW(sendmmsg(0, all, 1, 0));
	SHOW(sendmmsg(s[0], all, 0, 0));
	SHOW(sendmmsg(s[0], (void *)8, 1, 0));
	all[1].msg_hdr.msg_iov = (void *)8;
	SHOW(sendmmsg(s[0], all, 4, 0));
	close(s[1]);
	prepare();
	SHOW(sendmmsg(s[0], all, 2, MSG_NOSIGNAL));
	return 0;
}
