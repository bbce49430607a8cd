/* main.c: boots the kernel, starts the program, and waits for a request. */
#include "audit.h"
#include "fs/console.h"
#include "fs/dev.h"
#include "fs/image.h"
#include "fs/mount.h"
#include "fs/open.h"
#include "fs/outputs.h"
#include "fs/path.h"
#include "fs/proc.h"
#include "fs/surroundings.h"
#include "io/parts.h"
#include "io/pipe.h"
#include "io/tty.h"
#include "mm/map.h"
#include "net/inet.h"
#include "patch.h"
#include "request.h"
#include "task/clock.h"
#include "task/exec.h"
#include "task/mlock.h"
#include "task/process.h"

static char args[ZB_ARGS_SIZE];

static void make_agent(void)
{
	size_t size =
		MIN((size_t)control->request_size, (size_t)ZB_REQUEST_SIZE);
	long r;

	if (size == 0)
		return;
	r = file_make(ZB_AGENT_PATH, gpa_to_ptr(ZB_REQUEST_GPA), size, 0644);
	if (r)
		panic("cannot make %s: error %ld", ZB_AGENT_PATH, r);
	memset(gpa_to_ptr(ZB_REQUEST_GPA), 0, size);
	control->request_size = 0;
}

static void enter_directory(void)
{
	const char *path = image_directory();
	u32 at = control->directory;

	if (at && at < ZB_ARGS_SIZE && !control->args[ZB_ARGS_SIZE - 1])
		path = (const char *)control->args + at;
	if (path)
		path_enter(path);
}

_Noreturn void kernel_main(void);
_Noreturn void kernel_main(void)
{
	size_t size = MIN((size_t)control->args_size, sizeof(args));
	u64 rip = 0, rsp = 0;
	long r;

	if (control->abi_version != ZB_ABI_VERSION)
		panic("ABI version %u", control->abi_version);
	mm_init();
	request_start_run();
	threads_init();
	patch_open();
	process_init();
	mlock_init();
	surroundings_init();
	vfs_init();
	dev_init();
	proc_init();
	fifo_init();
	inet_proc_init();
	tty_init();
	pty_init();
	console_open(pipe_input());
	parts_init();
	outputs_init();
	memcpy(args, (const void *)control->args, size);
	if (size == 0 || args[size - 1] || control->argc == 0)
		panic("no program to start");
	thread_name(current, args);
	make_agent();
	enter_directory();
	audit_start();
	pipe_bring_input();
	r = exec_load(args, args, size, control->argc, &rip, &rsp);
	if (r)
		panic("cannot start %s: error %ld", args, r);
	current->on_cpu_since = cpu_now();
	thread_enter(rip, rsp);
}
