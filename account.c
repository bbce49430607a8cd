#include "account.h"

#include "control.h"

static uint64_t at_most(uint64_t said, uint64_t most)
{
	return said < most ? said : most;
}

/* Of a guest that has not come to its accounts. What is beyond a limit is not free
 * there and not in use. */
static uint64_t memory_in_use(const struct vm *vm, const struct run *run)
{
	uint64_t all = vm->memory_size;
	uint64_t unused = control_page(vm)->frames_free;

	if (run->memory_mb)
		all = at_most((uint64_t)run->memory_mb << 20, all);
	unused = at_most(unused, all / ZB_PAGE_SIZE) * ZB_PAGE_SIZE +
		 ZB_FRAMES_GPA;
	return all > unused ? all - unused : 0;
}

void account_run(const struct vm *vm, const struct snapshot *s,
		 const struct run *run, struct result *result)
{
	const volatile struct zb_control *then =
		(const volatile struct zb_control *)(s->memory +
						     ZB_CONTROL_GPA);
	uint64_t out, err, before;
	struct control_usage u;
	size_t size;

	control_usage(vm, &u);
	control_output(vm, 1, run->output_limit, &size, &out);
	control_output(vm, 2, run->output_limit, &size, &err);
	result->cut = (out > run->output_limit ? RESULT_CUT_STDOUT : 0) |
		      (err > run->output_limit ? RESULT_CUT_STDERR : 0);
	result->ended = u.status < RESULT_ENDS ? u.status : ENDED_EXIT;
	/* One CPU, and a call takes longer than a nanosecond: what a guest says
	 * beyond that is not counted. */
	before = run_is_next(run->session) ? vm->calls_before : then->syscalls;
	result->calls = at_most(u.calls - before, result->exec_ns);
	result->cpu_ns = at_most(u.cpu_ns, result->exec_ns);
	result->memory = at_most(u.memory, vm->memory_size);
	if (result->status != RESULT_TIMEOUT)
		return;
	result->ended = ENDED_EXIT;
	result->cpu_ns = vm->ran_ns + run->spent_cpu_ns;
	result->memory = memory_in_use(vm, run);
}
