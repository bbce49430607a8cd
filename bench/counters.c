/*
 * counters.c: what KVM counts (KVM_GET_STATS_FD) for one run in a new VM: exits,
 * page faults, writes that it emulates. What a part of a program costs is the
 * difference of two runs.
 *
 * counters TEMPLATE FILE
 */
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "host.h"
#include "machine.h"
#include "maker.h"

#define CODE_MAX 65536
#define COUNTERS_MAX 200
#define NAME_MAX_SIZE 64 /* of a counter, more than KVM's 48 */
#define SECONDS 60

struct counter {
	char name[NAME_MAX_SIZE];
	uint64_t value;
};

static void die(const char *what)
{
	fprintf(stderr, "counters: %s\n", what);
	exit(1);
}

static void get(int fd, void *to, size_t size, uint64_t offset)
{
	if (pread(fd, to, size, (off_t)offset) != (ssize_t)size)
		die("KVM's counters cannot be read");
}

/* Those that are one number, of a VM or a vCPU. */
static size_t read_counters(int of, struct counter *to)
{
	struct kvm_stats_header h;
	int fd = ioctl(of, KVM_GET_STATS_FD, 0);
	size_t n = 0;

	if (fd < 0)
		die("this KVM gives no counters");
	get(fd, &h, sizeof(h), 0);
	if (h.name_size > NAME_MAX_SIZE)
		die("names are longer");
	for (uint32_t i = 0; i < h.num_desc && n < COUNTERS_MAX; i++) {
		struct kvm_stats_desc d;
		uint64_t at = h.desc_offset + i * (sizeof(d) + h.name_size);

		get(fd, &d, sizeof(d), at);
		if (d.size != 1)
			continue;
		get(fd, to[n].name, h.name_size, at + sizeof(d));
		to[n].name[NAME_MAX_SIZE - 1] = 0;
		get(fd, &to[n].value, sizeof(to[n].value),
		    h.data_offset + d.offset);
		n++;
	}
	close(fd);
	return n;
}

static void print_changes(const struct counter *before,
			  const struct counter *after, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (after[i].value != before[i].value)
			printf("%-28s %10lld\n", after[i].name,
			       (long long)(after[i].value - before[i].value));
}

static size_t read_code(const char *path, char *code)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		die("no such FILE");
	n = fread(code, 1, CODE_MAX, f);
	fclose(f);
	return n;
}

int main(int argc, char **argv)
{
	static struct counter vcpu[2][COUNTERS_MAX], vm[2][COUNTERS_MAX];
	static char code[CODE_MAX];
	static struct machine m;
	struct vmm vmm = { .fd = -1 };
	struct snapshot s = { 0 };
	struct err e = { "" };
	size_t of_vcpu, of_vm;

	maker_set();
	if (argc != 3)
		die("wants TEMPLATE FILE");
	if (vmm_open(&vmm, &e) || host_probe(&vmm, &e) ||
	    snapshot_open(&s, argv[1], &vmm, &e) ||
	    machine_open(&m, &vmm, &s, &e) || machine_make(&m, &e) ||
	    machine_code(&m, code, read_code(argv[2], code), 1 << 20))
		die(e.text[0] ? e.text : "the code does not fit");
	of_vcpu = read_counters(m.vm.vcpu, vcpu[0]);
	of_vm = read_counters(m.vm.fd, vm[0]);
	if (machine_run(&m, clock_mono() + SECONDS * 1000000000ull, &e) !=
	    VM_EXIT)
		die("the run did not end by itself");
	read_counters(m.vm.vcpu, vcpu[1]);
	read_counters(m.vm.fd, vm[1]);
	print_changes(vcpu[0], vcpu[1], of_vcpu);
	print_changes(vm[0], vm[1], of_vm);
	printf("%-28s %10llu\n", "faults that the guest saw",
	       (unsigned long long)control_page(&m.vm)->page_faults);
	machine_close(&m);
	return 0;
}
