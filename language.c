#include "language.h"

#include <string.h>

static const struct {
	const char *alias, *name;
} aliases[] = {
	{ "py", "python" },       { "python3", "python" }, { "js", "node" },
	{ "javascript", "node" }, { "nodejs", "node" },    { "bash", "sh" },
	{ "shell", "sh" },
};

const char *language_of_alias(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strlen(aliases[i].alias) == size &&
		    !memcmp(aliases[i].alias, name, size))
			return aliases[i].name;
	return NULL;
}
