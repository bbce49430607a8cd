/* proc_cpu.c: /proc/cpuinfo, from what CPUID tells programs: Intel SDM 2A and
 * AMD APM 3, CPUID; the names of flags are Linux'. */
#include "fs/proc.h"

struct leaf {
	u32 a, b, c, d;
};

static struct leaf cpuid(u32 leaf, u32 subleaf)
{
	struct leaf l;

	__asm__ volatile("cpuid"
			 : "=a"(l.a), "=b"(l.b), "=c"(l.c), "=d"(l.d)
			 : "a"(leaf), "c"(subleaf));
	return l;
}

/* Names by bit; NULL: none, or shown elsewhere. */
typedef const char *const names[32];

static names leaf1_d = {
	"fpu",  "vme",   "de",   "pse",     "tsc",  "msr", "pae",  "mce",
	"cx8",  "apic",  NULL,   "sep",     "mtrr", "pge", "mca",  "cmov",
	"pat",  "pse36", "pn",   "clflush", NULL,   "dts", "acpi", "mmx",
	"fxsr", "sse",   "sse2", "ss",      "ht",   "tm",  "ia64", "pbe",
};
static names ext1_d = {
	[11] = "syscall",  [19] = "mp",      [20] = "nx",     [22] = "mmxext",
	[25] = "fxsr_opt", [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm",
	[30] = "3dnowext", [31] = "3dnow",
};
static names leaf1_c = {
	"pni",    "pclmulqdq",  "dtes64", "monitor", "ds_cpl",
	"vmx",    "smx",        "est",    "tm2",     "ssse3",
	"cid",    "sdbg",       "fma",    "cx16",    "xtpr",
	"pdcm",   NULL,         "pcid",   "dca",     "sse4_1",
	"sse4_2", "x2apic",     "movbe",  "popcnt",  "tsc_deadline_timer",
	"aes",    "xsave",      NULL,     "avx",     "f16c",
	"rdrand", "hypervisor",
};
static names ext1_c = {
	"lahf_lm",    "cmp_legacy",  "svm",
	"extapic",    "cr8_legacy",  "abm",
	"sse4a",      "misalignsse", "3dnowprefetch",
	"osvw",       "ibs",         "xop",
	"skinit",     "wdt",         NULL,
	"lwp",        "fma4",        "tce",
	NULL,         "nodeid_msr",  NULL,
	"tbm",        "topoext",     "perfctr_core",
	"perfctr_nb", NULL,          "bpext",
	"ptsc",       "perfctr_llc", "mwaitx",
};
static names leaf7_b = {
	"fsgsbase", "tsc_adjust", "sgx",      "bmi1",       "hle",
	"avx2",     NULL,         "smep",     "bmi2",       "erms",
	"invpcid",  "rtm",        "cqm",      NULL,         "mpx",
	"rdt_a",    "avx512f",    "avx512dq", "rdseed",     "adx",
	"smap",     "avx512ifma", NULL,       "clflushopt", "clwb",
	"intel_pt", "avx512pf",   "avx512er", "avx512cd",   "sha_ni",
	"avx512bw", "avx512vl",
};
static names leaf7_c = {
	NULL,
	"avx512vbmi",
	"umip",
	"pku",
	"ospke",
	"waitpkg",
	"avx512_vbmi2",
	NULL,
	"gfni",
	"vaes",
	"vpclmulqdq",
	"avx512_vnni",
	"avx512_bitalg",
	"tme",
	"avx512_vpopcntdq",
	NULL,
	"la57",
	[22] = "rdpid",
	[24] = "bus_lock_detect",
	[25] = "cldemote",
	[27] = "movdiri",
	[28] = "movdir64b",
	[29] = "enqcmd",
};
static names leaf7_d = {
	[2] = "avx512_4vnniw", [3] = "avx512_4fmaps",
	[4] = "fsrm",          [8] = "avx512_vp2intersect",
	[10] = "md_clear",     [14] = "serialize",
	[16] = "tsxldtrk",     [18] = "pconfig",
	[19] = "arch_lbr",     [20] = "ibt",
	[22] = "amx_bf16",     [23] = "avx512_fp16",
	[24] = "amx_tile",     [25] = "amx_int8",
	[28] = "flush_l1d",    [29] = "arch_capabilities",
};
static names leaf7_1_a = {
	[4] = "avx_vnni", [5] = "avx512_bf16", [10] = "fzrm",
	[11] = "fsrs",    [12] = "fsrc",
};
static names xsave_a = { "xsaveopt", "xsavec", "xgetbv1", "xsaves" };
static names ext8_b = {
	[0] = "clzero",
	[2] = "xsaveerptr",
	[4] = "rdpru",
	[9] = "wbnoinvd",
};

static void add_names(struct text *t, names list, u32 bits)
{
	for (int i = 0; i < 32; i++)
		if ((bits >> i & 1) && list[i])
			text_add(t, "%s ", list[i]);
}

static void add_flags(struct text *t, u32 last, u32 last_extended)
{
	struct leaf one = cpuid(1, 0), seven = { 0 }, more = { 0 }, ext = { 0 };

	if (last >= 7) {
		seven = cpuid(7, 0);
		if (seven.a)
			more = cpuid(7, 1);
	}
	if (last_extended >= 0x80000001)
		ext = cpuid(0x80000001, 0);
	text_add(t, "flags\t\t: ");
	add_names(t, leaf1_d, one.d);
	add_names(t, ext1_d, ext.d);
	/* The invariant counter is what all clocks here stand on. */
	text_add(t, "constant_tsc rep_good nopl nonstop_tsc cpuid ");
	add_names(t, leaf1_c, one.c);
	add_names(t, ext1_c, ext.c);
	add_names(t, leaf7_b, seven.b);
	if (last >= 0xd)
		add_names(t, xsave_a, cpuid(0xd, 1).a);
	if (last_extended >= 0x80000008)
		add_names(t, ext8_b, cpuid(0x80000008, 0).b);
	add_names(t, leaf7_1_a, more.a);
	add_names(t, leaf7_c, seven.c);
	add_names(t, leaf7_d, seven.d);
	if (t->size)
		t->size--; /* the last space */
	text_add(t, "\n");
}

/* Of the last level: leaf 4 and its counterpart are laid out alike. */
static u64 cache_kib(u32 leaf)
{
	u64 size = 0;

	for (u32 i = 0; i < 8; i++) {
		struct leaf l = cpuid(leaf, i);

		if (!(l.a & 31))
			break;
		size = ((l.b >> 22) + 1ul) * ((l.b >> 12 & 1023) + 1) *
		       ((l.b & 4095) + 1) * (l.c + 1ul) / 1024;
	}
	return size;
}

void proc_show_cpuinfo(struct text *t, const struct proc_subject *s)
{
	struct leaf zero = cpuid(0, 0), one = cpuid(1, 0);
	u32 last_extended = cpuid(0x80000000, 0).a, name[12] = { 0 };
	u32 vendor[3] = { zero.b, zero.d, zero.c };
	u32 family = one.a >> 8 & 15, model = one.a >> 4 & 15;
	u32 sizes = last_extended >= 0x80000008 ? cpuid(0x80000008, 0).a :
						  48 << 8 | 36;
	bool amd = zero.b == 0x68747541; /* "Auth" */

	(void)s;
	if (family == 6 || family == 15)
		model += (one.a >> 16 & 15) << 4;
	if (family == 15)
		family += one.a >> 20 & 255;
	for (size_t i = 0; i < 3 && last_extended >= 0x80000004; i++) {
		struct leaf l = cpuid(0x80000002 + (u32)i, 0);

		memcpy(&name[4ul * i], &l, sizeof(l));
	}
	text_add(t,
		 "processor\t: 0\nvendor_id\t: %.12s\ncpu family\t: %u\n"
		 "model\t\t: %u\nmodel name\t: %.48s\nstepping\t: %u\n"
		 "microcode\t: 0x1\ncpu MHz\t\t: %lu.%03lu\n"
		 "cache size\t: %lu KB\n",
		 (const char *)vendor, family, model, (const char *)name,
		 one.a & 15, (u64)control->tsc_khz / 1000,
		 (u64)control->tsc_khz % 1000,
		 amd && last_extended >= 0x8000001d ? cache_kib(0x8000001d) :
		 zero.a >= 4                        ? cache_kib(4) :
						      0);
	text_add(t,
		 "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\n"
		 "cpu cores\t: 1\napicid\t\t: 0\ninitial apicid\t: 0\n"
		 "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\n"
		 "wp\t\t: yes\n",
		 zero.a);
	add_flags(t, zero.a, last_extended);
	text_add(t,
		 "bugs\t\t:\nbogomips\t: %lu.%02lu\nclflush size\t: %u\n"
		 "cache_alignment\t: %u\n"
		 "address sizes\t: %u bits physical, %u bits virtual\n"
		 "power management:\n\n",
		 (u64)control->tsc_khz / 500, (u64)control->tsc_khz / 5 % 100,
		 (one.b >> 8 & 255) * 8, (one.b >> 8 & 255) * 8, sizes & 255,
		 sizes >> 8 & 255);
}
