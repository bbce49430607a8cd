#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "clock.h"

#define MS 1000000ull
#define SECOND (1000 * MS)
#define FIRST "Bearer first-key-of-the-file"
#define SECOND_KEY "Bearer second-key-of-it"

static uint64_t now = 1000 * SECOND;

uint64_t clock_mono(void)
{
	return now;
}

/* ---- buckets ---- */

static unsigned spend_all(struct auth_key *key)
{
	unsigned n = 0;

	while (n < 1000 && auth_spend(key, 1, now) == 0)
		n++;
	return n;
}

static struct auth_key full_key(void)
{
	return (struct auth_key){ .tokens_ns =
					  AUTH_CAPACITY * SECOND / AUTH_RATE,
				  .updated_ns = now };
}

static void a_full_bucket(void)
{
	struct auth_key k = full_key();

	now += 3600 * SECOND; /* does not make it fuller */
	EQUAL(spend_all(&k), AUTH_CAPACITY);
	EQUAL(auth_spend(&k, 1, now), 1);
	now += 3600 * SECOND;
	EQUAL(auth_spend(&k, AUTH_CAPACITY, now), 0);
	EQUAL(auth_spend(&k, 1, now), 1);
}

static void to_the_nanosecond(void)
{
	uint64_t token = SECOND / AUTH_RATE;

	for (unsigned cost = 1; cost <= AUTH_CAPACITY; cost += 9) {
		struct auth_key k = full_key(), early;

		spend_all(&k);
		early = k;
		EQUAL(auth_spend(&early, cost, now + cost * token - 1), 1);
		/* Asking in vain costs nothing. */
		EQUAL(auth_spend(&early, cost, now + cost * token), 0);
		EQUAL(auth_spend(&k, cost, now + cost * token), 0);
		EQUAL(auth_spend(&k, 1, now + cost * token), 1);
	}
}

static void more_than_a_bucket(void)
{
	struct auth_key k = full_key();

	EQUAL(auth_spend(&k, 1, now), 0);
	/* It takes a full one, */
	EQUAL(auth_spend(&k, 10 * AUTH_CAPACITY, now), 1);
	now += SECOND;
	EQUAL(auth_spend(&k, 10 * AUTH_CAPACITY, now), 0);
	/* and what follows waits for what was missing. */
	EQUAL(auth_spend(&k, 1, now), 10);
	EQUAL(auth_spend(&k, 1, now + 9 * SECOND), 1);
	EQUAL(auth_spend(&k, AUTH_CAPACITY, now + 10 * SECOND), 0);
	EQUAL(auth_spend(&k, 1, now + 10 * SECOND), 1);
	now += 10 * SECOND;
}

static void the_wait_is_right(void)
{
	struct auth_key k = full_key(), later;

	spend_all(&k);
	for (unsigned cost = 1; cost <= AUTH_CAPACITY; cost++) {
		unsigned wait = auth_spend(&k, cost, now);

		later = k;
		EQUAL(auth_spend(&later, cost, now + wait * SECOND), 0);
		later = k;
		CHECK(wait &&
		      (wait == 1 ||
		       auth_spend(&later, cost, now + (wait - 1) * SECOND)));
	}
}

static void never_more_than_the_rate(void)
{
	struct auth_key k = full_key();
	uint64_t start = now, spent = 0;

	for (int i = 0; i < 20000; i++) {
		unsigned cost = 1 + unit_random(AUTH_CAPACITY);

		now += unit_random(30) * MS + unit_random(1000000);
		if (auth_spend(&k, cost, now) == 0)
			spent += cost;
		CHECK(spent <=
		      AUTH_CAPACITY + (now - start) * AUTH_RATE / SECOND);
	}
	CHECK(spent > (now - start) * AUTH_RATE / SECOND / 2);
}

/* ---- files ---- */

static char path[] = "/tmp/zeroboot-unit-XXXXXX";

static void write_keys(const char *text)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fputs(text, f) >= 0);
	if (f)
		fclose(f);
}

static struct auth_key *key(const char *value)
{
	return auth_lookup(value, strlen(value));
}

static void a_reload_keeps_buckets(void)
{
	struct err e;
	uint64_t first, second;

	write_keys("[\"first-key-of-the-file\", \"second-key-of-it\"]");
	EQUAL(auth_open(&e), 0);
	CHECK(auth_required());
	first = key(FIRST)->id;
	second = key(SECOND_KEY)->id;
	CHECK(first && second && first != second);
	EQUAL(auth_spend(key(FIRST), 60, now), 0);

	write_keys("[\"a\", \"second-key-of-it\", \"first-key-of-the-file\"]");
	EQUAL(auth_reload(NULL, &e), 0);
	EQUAL(key(FIRST)->id, first);
	EQUAL(key(SECOND_KEY)->id, second);
	CHECK(key("Bearer a")->id != first && key("Bearer a")->id != second);
	EQUAL(spend_all(key(FIRST)), AUTH_CAPACITY - 60);
	EQUAL(spend_all(key(SECOND_KEY)), AUTH_CAPACITY);
	EQUAL(spend_all(key("Bearer a")), AUTH_CAPACITY);

	write_keys("[\"second-key-of-it\"]");
	EQUAL(auth_reload(NULL, &e), 0);
	CHECK(!key(FIRST) && !key("Bearer a"));
	EQUAL(spend_all(key(SECOND_KEY)), 0);
	auth_close();
	CHECK(!auth_required() && !key(SECOND_KEY));
}

static const char *const bad[] = {
	"",
	"[]",
	"{}",
	"\"a\"",
	"[1]",
	"[\"a\", \"a\"]",
	"[\"\"]",
	"[\"a b\"]",
	"[\"\\u00e9\"]",
	"[\"a\"",
	"[\"a\"] x",
	"[\"a\",]",
	"[[\"a\"]]",
	"[\"a\", \"b\", \"a\"]",
};

static void a_bad_file_changes_nothing(void)
{
	struct err e;

	write_keys("[\"first-key-of-the-file\"]");
	EQUAL(auth_open(&e), 0);
	EQUAL(auth_spend(key(FIRST), 60, now), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_keys(bad[i]);
		e.text[0] = 0;
		if (!CHECK(auth_reload(NULL, &e) < 0 && e.text[0]))
			printf("# %s\n", bad[i]);
		CHECK(key(FIRST) && !key("Bearer a"));
	}
	unlink(path);
	EQUAL(auth_reload(NULL, &e), -ENOENT);
	EQUAL(mkfifo(path, 0600), 0);
	EQUAL(auth_reload(NULL, &e), -EINVAL);
	unlink(path);
	EQUAL(spend_all(key(FIRST)), AUTH_CAPACITY - 60);
	auth_close();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_keys(bad[i]);
		CHECK(auth_open(&e) < 0);
		auth_close();
	}
}

static void no_memory_changes_nothing(void)
{
	struct err e;
	int r;

	write_keys("[\"first-key-of-the-file\"]");
	EQUAL(auth_open(&e), 0);
	write_keys("[\"second-key-of-it\"]");
	WITH_FAILING_ALLOCATIONS
	{
		r = auth_reload(NULL, &e);
		CHECK(!fail_plan->failed || r == -ENOMEM);
		CHECK(fail_plan->failed ? key(FIRST) && !key(SECOND_KEY) :
					  key(SECOND_KEY) && !key(FIRST));
	}
	auth_close();
}

static void only_whole_keys(void)
{
	static const char *const others[] = {
		"",
		"Bearer",
		"Bearer ",
		"Bearer k",
		"Bearer keys",
		"Bearer key ",
		"Basic key",
		"key",
		"Bearerkey",
		"Bearer\tkey",
		"Bearer key,key",
		"Bearer KEY",
	};
	struct err e;

	write_keys("[\"key\"]");
	EQUAL(auth_open(&e), 0);
	CHECK(key("Bearer key") && key("bEARER   key"));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!CHECK(!key(others[i])))
			printf("# %s\n", others[i]);
	auth_close();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a bucket has 100 requests, however long it was left",
		  a_full_bucket },
		{ "a request is there to the nanosecond", to_the_nanosecond },
		{ "more than a bucket has takes a full one, and is waited for",
		  more_than_a_bucket },
		{ "what Retry-After says is enough and not too much",
		  the_wait_is_right },
		{ "a key never has more than its rate",
		  never_more_than_the_rate },
		{ "keys keep their buckets over a reload",
		  a_reload_keeps_buckets },
		{ "a file that is bad or gone changes nothing",
		  a_bad_file_changes_nothing },
		{ "without memory nothing has changed",
		  no_memory_changes_nothing },
		{ "nothing but a whole key is one", only_whole_keys },
	};
	int fd = mkstemp(path), status;

	if (fd < 0 || setenv("ZEROBOOT_API_KEYS_FILE", path, 1))
		return 2;
	close(fd);
	status = UNIT_RUN("auth", tests);
	unlink(path);
	return status;
}
