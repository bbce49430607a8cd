#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec_parts.h"

/* Whether a guest may return a file of this name to who asked by this pattern. It
 * cannot be written in any case: its directory is a file. */
static bool is_taken(const char *pattern, const char *name)
{
	struct parts asked = { 0 }, files = { 0 };
	struct err e = { "" };
	int r;

	CHECK(exec_add_output(&asked, pattern, &e) == 0);
	CHECK(exec_wants_outputs(&asked));
	CHECK(parts_add(&files, PART_TEXT, name, strlen(name), "x", 1) == 0);
	r = exec_save(&asked, files.data, files.size, &e);
	parts_drop(&asked);
	parts_drop(&files);
	return r != -EINVAL;
}

static void test_patterns(void)
{
	static const struct {
		const char *pattern, *name;
		bool taken;
	} cases[] = {
		{ "/dev/null/x", "/dev/null/x", true },
		{ "/dev/null/?", "/dev/null/\303\244", true },
		{ "/dev/null/?", "/dev/null/xy", false },
		{ "/dev//./null/*.png", "/dev/null/a.png", true },
		{ "/dev/null/*.png", "/dev/null/a.pn", false },
		{ "/dev/null/*", "/dev/null/a/b", false },
		{ "/dev/null/**", "/dev/null/a/b", true },
		{ "/dev/null/**/b", "/dev/null/b", true },
		{ "/dev/null/**/b", "/dev/null/a/c/b", true },
		{ "/dev/null/**/b", "/dev/null/a/c", false },
		{ "/dev/null/**", "/dev/null", true },
		{ "/dev/null/**/b/**/d", "/dev/null/b/b/c/d", true },
		{ "/dev/null/**/b/c", "/dev/null/b/b/c", true },
		{ "/dev/null/**/b/c", "/dev/null/b/b/d", false },
		{ "/dev/null/*a*b", "/dev/null/aabab", true },
		{ "/dev/null/*a*b", "/dev/null/aabac", false },
		{ "/dev/null/*?a", "/dev/null/\303\244a", true },
		{ "/dev/null/**/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
		  "/dev/null/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  false },
		{ "out/*", ".ssh/authorized_keys", false },
		{ "out/*", "../out/x", false },
		{ "**", "../x", false },
	};
	char top[] = "/tmp/zeroboot-unit-XXXXXX",
	     *back = get_current_dir_name();

	CHECK(back && mkdtemp(top) && chdir(top) == 0);
	/* dev/null is looked for where we are. */
	CHECK(mkdir("dev", 0700) == 0);
	CHECK(close(creat("dev/null", 0600)) == 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EQUAL(is_taken(cases[i].pattern, cases[i].name),
		      cases[i].taken);
	CHECK(unlink("dev/null") == 0 && rmdir("dev") == 0 &&
	      chdir(back) == 0 && rmdir(top) == 0);
	free(back);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "only what a pattern means is written", test_patterns },
	};

	return UNIT_RUN("exec_parts", tests);
}
