#include "server.h"
int server_run(const struct server_options *o)
{
	(void)o;
	return 1;
}
