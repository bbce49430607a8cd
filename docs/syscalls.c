/*
 * syscalls.c: prints docs/syscalls.md from guest/kernel/syscalls.def, or says
 * which rows break the list's own rules. `make docs/syscalls.md` runs it.
 */
#include <stdio.h>
#include <string.h>

enum level { FULL, PARTIAL, FAKE, NONE, LEVELS };

static const char *const level_name[] = { "full", "partial", "fake", "none" };
static const char *const level_means[] = {
	"does what Linux does",
	"does what Linux does but for what the note says, which is refused "
	"with an errno",
	"answers success without an effect, for the note's reason",
	"is refused, for the note's reason",
};

struct row {
	unsigned int number;
	const char *name;
	unsigned int arguments;
	enum level level;
	const char *kinds;
	const char *note;
};

static const struct row rows[] = {
#define SYSCALL(number, name, arguments, level, kinds, note)                   \
	{ number, #name, arguments, level, kinds, note },
#include "../guest/kernel/syscalls.def"
#undef SYSCALL
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int complain(const struct row *r, const char *what)
{
	fprintf(stderr, "syscalls.def: %u, %s: %s\n", r->number, r->name, what);
	return 1;
}

static int check(void)
{
	int faults = 0;

	for (size_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];

		if (i && r->number <= r[-1].number)
			faults += complain(r, "the number is not above the "
					      "last");
		if (strlen(r->kinds) != r->arguments)
			faults += complain(r, "not a kind for each argument");
		if (r->level == PARTIAL && !*r->note)
			faults += complain(r, "the note does not say what is "
					      "missing");
		if (r->level > PARTIAL && !*r->note)
			faults += complain(r, "the note has no reason");
	}
	return faults;
}

static void print_levels(void)
{
	printf("| level | calls | a call of this level |\n| --- | --- | --- "
	       "|\n");
	for (int level = 0; level < LEVELS; level++) {
		int count = 0;

		for (size_t i = 0; i < ROWS; i++)
			count += (int)rows[i].level == level;
		printf("| %s | %d | %s |\n", level_name[level], count,
		       level_means[level]);
	}
}

static void print_note(const char *note)
{
	for (; *note; note++)
		printf(*note == '|' ? "\\%c" : "%c", *note);
}

static void print_rows(void)
{
	printf("| number | call | level | note |\n| --- | --- | --- | --- |\n");
	for (size_t i = 0; i < ROWS; i++) {
		printf("| %u | `%s` | %s | ", rows[i].number, rows[i].name,
		       level_name[rows[i].level]);
		print_note(rows[i].note);
		printf("%s|\n", *rows[i].note ? " " : "");
	}
}

int main(void)
{
	if (check())
		return 1;
	printf("# System calls\n\n"
	       "Generated from `guest/kernel/syscalls.def` by `make "
	       "docs/syscalls.md`: edit\n"
	       "that file, not this one.\n\n");
	print_levels();
	printf("\nA number that has no row answers ENOSYS, and the run's log "
	       "names it once.\n"
	       "`tests/syscalls.bats` fails for a full or partial row that no "
	       "program of\n"
	       "`tests/guest/` calls.\n\n");
	print_rows();
	return 0;
}
