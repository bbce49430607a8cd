#include "language.h"

#include <stdbool.h>
#include <string.h>

#include "guest/abi.h"

/* blobs.S */
extern const char agent_python[], agent_python_end[];
extern const char training_python[], training_python_end[];
extern const char proof_python[], proof_python_end[];
extern const char agent_node[], agent_node_end[];
extern const char training_node[], training_node_end[];
extern const char proof_node[], proof_node_end[];
extern const char agent_sh[], agent_sh_end[];
extern const char training_sh[], training_sh_end[];
extern const char proof_sh[], proof_sh_end[];

/* An image with several of the interpreters is of the first language, unless its
 * template's name is another one's. */
static const struct language languages[] = {
	{ .name = "python",
	  .aliases = { "py", "python3" },
	  .endings = { ".py" },
	  .interpreter = "python3",
	  .arguments = { ZB_AGENT_PATH },
	  .agent = agent_python,
	  .agent_end = agent_python_end,
	  .training = training_python,
	  .training_end = training_python_end,
	  .proof = proof_python,
	  .proof_end = proof_python_end,
	  .examples = { "print(1+1)", "import numpy; "
				      "print(numpy.random.rand(3))" } },
	{ .name = "node",
	  .aliases = { "js", "javascript", "nodejs" },
	  .endings = { ".js", ".mjs", ".cjs" },
	  .interpreter = "node",
	  .heap_option = "--max-old-space-size=",
	  .arguments = { "--require", ZB_AGENT_PATH, "/app/main.js" },
	  .agent = agent_node,
	  .agent_end = agent_node_end,
	  .rehearses = true,
	  .training = training_node,
	  .training_end = training_node_end,
	  .proof = proof_node,
	  .proof_end = proof_node_end,
	  .examples = { "console.log(1+1)" } },
	{ .name = "sh",
	  .aliases = { "bash", "shell" },
	  .endings = { ".sh" },
	  .interpreter = "bash",
	  .variable = "LD_PRELOAD=" ZB_AGENT_PATH,
	  .arguments = { "/app/main.sh" },
	  .agent = agent_sh,
	  .agent_end = agent_sh_end,
	  .training = training_sh,
	  .training_end = training_sh_end,
	  .proof = proof_sh,
	  .proof_end = proof_sh_end,
	  .examples = { "echo $((1+1))" } },
};

#define COUNT (sizeof(languages) / sizeof(languages[0]))

const struct language *language_at(size_t n)
{
	return n < COUNT ? &languages[n] : NULL;
}

static bool is(const char *word, const char *name, size_t size)
{
	return word && strlen(word) == size && !memcmp(word, name, size);
}

static const struct language *of_alias(const char *name, size_t size)
{
	for (size_t n = 0; n < COUNT; n++)
		for (size_t i = 0; i < LANGUAGE_ALIASES; i++)
			if (is(languages[n].aliases[i], name, size))
				return &languages[n];
	return NULL;
}

const char *language_of_alias(const char *name, size_t size)
{
	const struct language *l = of_alias(name, size);

	return l ? l->name : NULL;
}

const struct language *language_find(const char *name, size_t size)
{
	for (size_t n = 0; n < COUNT; n++)
		if (is(languages[n].name, name, size))
			return &languages[n];
	return of_alias(name, size);
}

const char *language_choose(const char *said, const char *path)
{
	if (!said && path)
		said = language_of_file(path);
	return said ? said : languages[0].name;
}

const char *language_of_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash ? slash : path, '.');

	for (size_t n = 0; dot && n < COUNT; n++)
		for (size_t i = 0; i < LANGUAGE_ENDINGS; i++)
			if (is(languages[n].endings[i], dot, strlen(dot)))
				return languages[n].name;
	return NULL;
}

const struct language *language_of_name(const char *name, size_t size)
{
	const struct language *l = language_find(name, size);
	const char *hyphen = memchr(name, '-', size);

	return l || !hyphen ? l : language_find(name, (size_t)(hyphen - name));
}
