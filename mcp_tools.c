#include "mcp_tools.h"

#include <ctype.h>
#include <stdio.h>

#include "catalog.h"
#include "json.h"

#define NAME_SIZE 64 /* with a NUL: more is too long for some clients */

const char mcp_instructions[] =
	"Each call runs a program in a virtual machine of its own, without a "
	"network, which is there within a millisecond. Without a session it is "
	"gone afterwards, and nothing is kept. To work in steps, pass session "
	"\"new\", and then the session that the result names: variables, "
	"imports, files and the directory stay, and the value of a last "
	"expression is shown. fork_session copies all of that, to try several "
	"ways from one point; end_session frees it. Print what you want to "
	"see. Give data in files or stdin; files that the program writes come "
	"back when outputs names them, images as images.";

/* Names that models know. */
static const struct known {
	const char *language, *tool, *title, *what;
} known[] = {
	{ "python", "run_python", "Run Python", "a Python 3 program" },
	{ "node", "run_javascript", "Run JavaScript",
	  "a JavaScript program (Node.js)" },
	{ "sh", "run_shell", "Run a shell script", "a bash script" },
};

static const struct known *find_known(const char *language)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].language, language))
			return &known[i];
	return NULL;
}

/* A language that is nobody's has a tool of its name, if that can be one. */
static bool name_tool(char name[NAME_SIZE], const char *language)
{
	const struct known *k = find_known(language);
	int n = snprintf(name, NAME_SIZE, "%s%s", k ? "" : "run_",
			 k ? k->tool : language);

	if (n >= NAME_SIZE)
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
			return false;
	return true;
}

int mcp_tool_language(const char *tool)
{
	const char *language;
	char name[NAME_SIZE];
	bool ready;
	int memory;

	for (int i = 0; (language = catalog_describe(i, &ready, &memory)); i++)
		if (name_tool(name, language) && !strcmp(name, tool))
			return i;
	return -1;
}

/* What request.c reads, as models need it. */
static const char schema[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"code\":{\"type\":\"string\",\"description\":\"The program.\"},"
	"\"stdin\":{\"type\":\"string\",\"description\":\"What it reads from "
	"standard input.\"},"
	"\"args\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
	"\"description\":\"Its arguments.\"},"
	"\"files\":{\"type\":\"object\",\"additionalProperties\":{\"anyOf\":["
	"{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"base64\":"
	"{\"type\":\"string\"}},\"required\":[\"base64\"]}]},\"description\":"
	"\"Files that are there when it starts: content by path, relative to "
	"its working directory; bytes as {\\\"base64\\\": ...}.\"},"
	"\"outputs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
	"\"description\":\"Paths or patterns (*.png, out/**) of files that it "
	"writes, to be returned.\"},"
	"\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":"
	"300,\"default\":30,\"description\":\"It is ended after so long; a "
	"session is as it was before, then.\"},"
	"\"session\":{\"type\":\"string\",\"description\":\"\\\"new\\\", or a "
	"session that a result has named, of this language: the program goes "
	"on where its last call ended. Without it nothing is kept.\"}},"
	"\"required\":[\"code\"]}";

/* Those that are not of a language. */
static const char session_tools[] =
	"{\"name\":\"" MCP_TOOL_FORK "\",\"title\":\"Fork a session\","
	"\"description\":\"Copy a session with all of its state, within a "
	"millisecond, to try several ways from one point. Returns the new "
	"sessions, a line each; the session goes on as "
	"well.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{"
	"\"session\":{\"type\":\"string\"},\"count\":{\"type\":\"integer\","
	"\"minimum\":1,\"maximum\":100,\"default\":1}},\"required\":["
	"\"session\"]},\"annotations\":{\"readOnlyHint\":true,"
	"\"openWorldHint\":"
	"false}},"
	"{\"name\":\"" MCP_TOOL_END "\",\"title\":\"End a session\","
	"\"description\":\"Forget a session and all of its state.\","
	"\"inputSchema\":{\"type\":\"object\",\"properties\":{\"session\":{"
	"\"type\":\"string\"}},\"required\":[\"session\"]},\"annotations\":{"
	"\"readOnlyHint\":false,\"destructiveHint\":true,\"idempotentHint\":"
	"false,"
	"\"openWorldHint\":false}}";

static void write_tool(struct text *t, const char *name, const char *language)
{
	const struct known *k = find_known(language);

	text_put(t, "{\"name\":\"");
	text_put(t, name);
	text_put(t, "\",\"title\":");
	text_json_string(t, k ? k->title : name, strlen(k ? k->title : name));
	text_put(t, ",\"description\":\"Run ");
	text_put(t, k ? k->what : "a program of this template");
	text_put(t, " in a virtual machine of its own, without a network; "
		    "nothing is kept between calls but in a session. Returns "
		    "what it prints to stdout and stderr, in a session also "
		    "the value of a last expression, its exit code if that is "
		    "not 0, and the files that outputs "
		    "names.\",\"inputSchema\":");
	text_put(t, schema);
	/* Whatever a program does, the machine is gone afterwards. */
	text_put(t, ",\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":"
		    "false}}");
}

void mcp_tools_write(struct text *t)
{
	const char *language, *comma = "";
	char name[NAME_SIZE];
	bool ready;
	int memory;

	text_put(t, "[");
	for (int i = 0; (language = catalog_describe(i, &ready, &memory));
	     i++) {
		if (!name_tool(name, language))
			continue;
		text_put(t, comma);
		write_tool(t, name, language);
		comma = ",";
	}
	text_put(t, comma);
	text_put(t, *comma ? session_tools : "");
	text_put(t, "]");
}
