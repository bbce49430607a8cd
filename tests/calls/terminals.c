/* terminals.c: pseudo-terminals, typed into. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "crowd.h"

void do_terminal(void)
{
	static const char typed[] = "a\x03\x1a\x04\x11\x13\x16\x7f\x15\x17\n\r"
				    "\\x";
	char name[32], buffer[64];
	int master, slave, unlock = 0, number = 0;
	struct termios t;

	if (below(3) == 0)
		setsid();
	master = open("/dev/ptmx",
		      O_RDWR | O_NONBLOCK | (below(2) ? O_NOCTTY : 0));
	ioctl(master, TIOCSPTLCK, &unlock);
	ioctl(master, TIOCGPTN, &number);
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	slave = open(name, O_RDWR | O_NONBLOCK);
	if (below(2))
		ioctl(slave, TIOCSCTTY, below(2));
	for (int i = 0; i < 6; i++) {
		int fd = below(2) ? master : slave;

		switch (below(7)) {
		case 0:
			if (write(fd, typed + below(8), below(8)) < 0)
				break;
			break;
		case 1:
			if (read(fd, buffer, below(sizeof(buffer))) < 0)
				break;
			break;
		case 2:
			ioctl(fd, 0x5400 + below(0x70), argument());
			break;
		case 3:
			tcgetattr(fd, &t);
			t.c_lflag ^= 1u << below(16);
			t.c_iflag ^= 1u << below(16);
			t.c_oflag ^= 1u << below(16);
			t.c_cc[below(20)] = (unsigned char)below(256);
			tcsetattr(fd, (int)below(3), &t);
			break;
		case 4:
			tcsetpgrp(fd, below(2) ? getpgrp() : some_pid());
			break;
		case 5:
			ioctl(fd, TIOCSTI, typed + below(8));
			break;
		case 6:
			setpgid(below(2) ? 0 : some_pid(),
				below(2) ? 0 : some_pid());
			break;
		}
	}
	if (below(4))
		close(master);
	if (below(4))
		close(slave);
}
