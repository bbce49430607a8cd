/* main.c: boots the kernel, starts the program, and waits for a request. */
#include "clock.h"
#include "console.h"
#include "exec.h"
#include "frame.h"
#include "hypercall.h"
#include "mm.h"
#include "patch.h"
#include "random.h"
#include "thread.h"


char exec_path[256];

static char args[ZB_ARGS_SIZE];

/* All that a fork must have for itself. */
static void start_run(void)
{
	clock_start();
	random_reseed();
	console_start();
}

void request_wait(const u8 **code, size_t *size)
{
	static bool waited;

	if (!waited) {
		waited = true;
		control->want_tick = 0;
		patch_close();
		mm_settle();
		frames_scrub();
		hypercall(ZB_HC_READY);
		start_run();
	}
	*code = gpa_to_ptr(ZB_REQUEST_GPA);
	*size = MIN((size_t)control->request_size, (size_t)ZB_REQUEST_SIZE);
}

static void make_agent(void)
{
	size_t size = MIN((size_t)control->request_size,
			  (size_t)ZB_REQUEST_SIZE);
	long r;

	if (size == 0)
		return;
	r = file_make(ZB_AGENT_PATH, gpa_to_ptr(ZB_REQUEST_GPA), size, 0644);
	if (r)
		panic("cannot make %s: error %ld", ZB_AGENT_PATH, r);
	memset(gpa_to_ptr(ZB_REQUEST_GPA), 0, size);
	control->request_size = 0;
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
	clock_start();
	random_reseed();
	console_start();
	threads_init();
	signal_init();
	file_init();
	memcpy(args, (const void *)control->args, size);
	if (size == 0 || args[size - 1] || control->argc == 0)
		panic("no program to start");
	ksnprintf(exec_path, sizeof(exec_path), "%s", args);
	make_agent();
	r = exec_load(exec_path, args, size, control->argc, &rip, &rsp);
	if (r)
		panic("cannot start %s: error %ld", exec_path, r);
	current->on_cpu_since = mono_now();
	thread_enter(rip, rsp);
}
