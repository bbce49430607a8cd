/* mcp_result.c: what a run came to, as the result of a tool call. */
#include <stdio.h>

#include "mcp.h"
#include "results.h"

struct writer {
	struct pieces *p;
	const char *comma; /* before the next block */
};

static void begin_block(struct writer *w, const char *type)
{
	pieces_put(w->p, w->comma);
	pieces_put(w->p, "{\"type\":\"");
	pieces_put(w->p, type);
	pieces_put(w->p, "\",");
	w->comma = ",";
}

/* before: as it stands in a string of JSON. */
static void put_text(struct writer *w, const char *before, const void *data,
		     size_t size)
{
	begin_block(w, "text");
	pieces_put(w->p, "\"text\":\"");
	pieces_put(w->p, before);
	pieces_escaped(w->p, data, size);
	pieces_put(w->p, "\"}");
}

static void put_line(struct writer *w, const char *line)
{
	put_text(w, line, "", 0);
}

/* ---- files ---- */

/* Images that clients show. */
static const char *image_type(const struct part_view *f)
{
	static const struct {
		const char *type, *start;
		size_t size;
	} types[] = {
		{ "image/png", "\x89PNG\r\n\x1a\n", 8 },
		{ "image/jpeg", "\xff\xd8\xff", 3 },
		{ "image/gif", "GIF8", 4 },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (f->size >= types[i].size &&
		    !memcmp(f->data, types[i].start, types[i].size))
			return types[i].type;
	if (f->size >= 12 && !memcmp(f->data, "RIFF", 4) &&
	    !memcmp(f->data + 8, "WEBP", 4))
		return "image/webp";
	return NULL;
}

static const char *file_type(const struct part_view *f)
{
	static const char *const types[][2] = {
		{ ".csv", "text/csv" },          { ".html", "text/html" },
		{ ".json", "application/json" }, { ".md", "text/markdown" },
		{ ".pdf", "application/pdf" },   { ".svg", "image/svg+xml" },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t size = strlen(types[i][0]);

		if (f->name_size > size &&
		    !memcmp(f->name + f->name_size - size, types[i][0], size))
			return types[i][1];
	}
	return f->kind == PART_TEXT ? "text/plain" : "application/octet-stream";
}

static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '-' && c <= '9') || c == '_' || c == '~';
}

/* RFC 3986; a relative path is under the working directory. */
static void put_address(struct pieces *p, const struct part_view *f)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[3 * PARTS_PATH_MAX];
	size_t size = 0;

	pieces_put(p, f->name_size && f->name[0] == '/' ? "file://" :
							  "file:///app/");
	for (size_t i = 0; i < f->name_size && size + 3 <= sizeof(text); i++) {
		unsigned char c = (unsigned char)f->name[i];

		if (is_plain(c)) {
			text[size++] = (char)c;
			continue;
		}
		text[size++] = '%';
		text[size++] = digits[c >> 4];
		text[size++] = digits[c & 15];
	}
	pieces_add(p, text, size);
}

static void put_image(struct writer *w, const struct part_view *f,
		      const char *type)
{
	struct pieces *p = w->p;

	begin_block(w, "image");
	pieces_put(p, "\"mimeType\":\"");
	pieces_put(p, type);
	pieces_put(p, "\",\"_meta\":{\"zeroboot/path\":\"");
	pieces_escaped(p, f->name, f->name_size);
	pieces_put(p, "\"},\"data\":\"");
	pieces_base64(p, f->data, f->size);
	pieces_put(p, "\"}");
}

static void put_file(struct writer *w, const struct part_view *f)
{
	const char *image = image_type(f);
	struct pieces *p = w->p;

	if (image) {
		put_image(w, f, image);
		return;
	}
	begin_block(w, "resource");
	pieces_put(p, "\"resource\":{\"uri\":\"");
	put_address(p, f);
	pieces_put(p, "\",\"mimeType\":\"");
	pieces_put(p, file_type(f));
	if (f->kind == PART_TEXT) {
		pieces_put(p, "\",\"text\":\"");
		pieces_escaped(p, f->data, f->size);
	} else {
		pieces_put(p, "\",\"blob\":\"");
		pieces_base64(p, f->data, f->size);
	}
	pieces_put(p, "\"}}");
}

static void put_files(struct writer *w, const struct job *job)
{
	const char *at = job->files;
	struct part_view f;
	char line[64];

	while (at && part_take(&at, job->files_end, FROM_WORKER, &f) == 1) {
		if (f.kind == PART_LEFT_OUT)
			put_text(w, "left out, too large: ", f.name,
				 f.name_size);
		else if (f.kind == PART_TEXT || f.kind == PART_BYTES)
			put_file(w, &f);
	}
	if (!job->left_out)
		return;
	snprintf(line, sizeof(line), "%u more files left out", job->left_out);
	put_line(w, line);
}

/* ---- how it ended ---- */

static void put_end(struct writer *w, const struct job *job)
{
	const char *status = results_status(job);
	char line[80] = "out of memory";

	if (!strcmp(status, "timeout"))
		snprintf(line, sizeof(line), "timed out after %u s",
			 job->timeout_ms / 1000);
	else if (!strcmp(status, "signal"))
		snprintf(line, sizeof(line), "ended by signal %d",
			 job->exit_code & 127);
	else if (!strcmp(status, "error"))
		snprintf(line, sizeof(line), "exit code %d", job->exit_code);
	else if (!strcmp(status, "ok"))
		return;
	put_line(w, line);
}

static void put_run(struct writer *w, const struct job *job)
{
	if (job->out_size)
		put_text(w, "", job->out, job->out_size);
	if (job->err_size)
		put_text(w, "stderr:\\n", job->err, job->err_size);
	if (job->value)
		put_text(w, "result:\\n", job->value, job->value_size);
	put_end(w, job);
	if (job->cut)
		put_line(w, "its output was cut: there was too much");
	if (job->warnings.size)
		put_text(w, "warning: ", job->warnings.data,
			 job->warnings.size);
	put_files(w, job);
	if (!*w->comma)
		put_line(w, "no output");
}

/* A program that ends is all that ends a session here: see mcp_session.c. */
static void put_session(struct writer *w, const struct mcp_message *m,
			const struct job *job)
{
	if (job->status == JOB_DONE && !job->alive)
		put_line(w, "the session has ended, with its program");
	else if (m->made)
		put_text(w, "session: ", m->session, strlen(m->session));
}

void mcp_result(struct pieces *p, const struct mcp_message *m,
		const struct job *job)
{
	struct writer w = { p, "" };
	bool ran = results_ran(job);
	bool good = ran && job->status == JOB_DONE && job->exit_code == 0;

	pieces_put(p, "{\"jsonrpc\":\"2.0\",\"id\":");
	pieces_add(p, m->id, m->id_size);
	pieces_put(p, ",\"result\":{\"content\":[");
	if (ran)
		put_run(&w, job);
	else
		put_text(&w,
			 job->status == JOB_FULL ? "undone: " :
						   "it did not run: ",
			 results_failure(job), strlen(results_failure(job)));
	if (m->session[0])
		put_session(&w, m, job);
	pieces_put(p, good ? "],\"isError\":false}}" : "],\"isError\":true}}");
}
