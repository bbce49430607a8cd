#include "http.h"

#include <string.h>
#include <strings.h>

#define HTTP_LINE_MAX 4096            /* of a chunk's size or a trailer */
#define HTTP_CHUNKS_MAX HTTP_BODY_MAX /* bytes of framing */

bool http_is(struct http_span s, const char *text)
{
	return s.size == strlen(text) && !memcmp(s.data, text, s.size);
}

bool http_is_word(struct http_span s, const char *text)
{
	return s.size == strlen(text) && !strncasecmp(s.data, text, s.size);
}

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}

static int refuse(struct http_request *r, int status, const char *reason)
{
	r->status = status;
	r->reason = reason;
	return -1;
}

/* RFC 9110, 5.6.2 */
static bool token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool all_tokens(struct http_span s)
{
	for (size_t i = 0; i < s.size; i++)
		if (!token_char(s.data[i]))
			return false;
	return s.size > 0;
}

/* The line at *at, without its CR LF, and *at behind it. 1, 0: incomplete,
 * -1: a bare CR or LF or a control byte. */
static int take_line(const char *data, size_t size, size_t *at,
		     struct http_span *line)
{
	for (size_t i = *at; i < size; i++) {
		char c = data[i];

		if (c == '\r') {
			if (i + 1 == size)
				return 0;
			if (data[i + 1] != '\n')
				return -1;
			*line = (struct http_span){ data + *at, i - *at };
			*at = i + 2;
			return 1;
		}
		if ((c >= 0 && c < ' ' && c != '\t') || c == 0x7f)
			return -1;
	}
	return 0;
}

/* RFC 9112, 3.2.2: of http://host:port/path the path, which may be left out. */
static struct http_span without_authority(struct http_span target)
{
	size_t host = 7, at = host;

	if (target.size <= host || strncasecmp(target.data, "http://", host))
		return target;
	while (at < target.size && target.data[at] != '/' &&
	       target.data[at] != '?')
		at++;
	if (at == host)
		return (struct http_span){ 0 };
	if (at == target.size || target.data[at] == '?')
		return (struct http_span){ "/", 1 };
	return (struct http_span){ target.data + at, target.size - at };
}

/* RFC 3986, 3.2.2: what may stand in a host and port. */
static bool host_ok(struct http_span v)
{
	for (size_t i = 0; i < v.size; i++) {
		char c = v.data[i];
		bool ok = token_char(c) ? !strchr("#^`|", c) :
					  strchr("(),:;=[]", c) != NULL;

		if (!ok)
			return false;
	}
	return true;
}

static int request_line(struct http_span line, struct http_request *r)
{
	const char *first = memchr(line.data, ' ', line.size), *second, *end;
	struct http_span target, version;

	end = line.data + line.size;
	second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) :
			 NULL;
	if (!second)
		return refuse(r, 400, "malformed request line");
	r->method =
		(struct http_span){ line.data, (size_t)(first - line.data) };
	target = (struct http_span){ first + 1, (size_t)(second - first - 1) };
	version = (struct http_span){ second + 1, (size_t)(end - second - 1) };
	if (!all_tokens(r->method) || target.size == 0 ||
	    memchr(target.data, '\t', target.size))
		return refuse(r, 400, "malformed request line");
	if (http_is(version, "HTTP/1.0"))
		r->old = r->close = true;
	else if (!http_is(version, "HTTP/1.1"))
		return version.size == 8 && !memcmp(version.data, "HTTP/", 5) ?
			       refuse(r, 505, "only HTTP/1.1 and 1.0") :
			       refuse(r, 400, "malformed request line");
	target = without_authority(target);
	if (target.size == 0 || target.data[0] != '/')
		return refuse(r, 400, "malformed request target");
	end = memchr(target.data, '?', target.size);
	if (end)
		target.size = (size_t)(end - target.data);
	r->path = target;
	return 1;
}

static int content_length(struct http_span v, struct http_request *r)
{
	uint64_t n = 0;

	if (r->has_length)
		return refuse(r, 400, "repeated Content-Length");
	if (v.size == 0 || v.size > 18)
		return refuse(r, 400, "bad Content-Length");
	for (size_t i = 0; i < v.size; i++) {
		if (v.data[i] < '0' || v.data[i] > '9')
			return refuse(r, 400, "bad Content-Length");
		n = n * 10 + (uint64_t)(v.data[i] - '0');
	}
	r->has_length = true;
	r->body_size = n;
	return 1;
}

static bool list_has(struct http_span v, const char *word)
{
	size_t at = 0;

	while (at < v.size) {
		struct http_span part = { v.data + at, 0 };

		while (at < v.size && v.data[at] != ',')
			at++;
		part.size = (size_t)(v.data + at - part.data);
		at++;
		while (part.size && (*part.data == ' ' || *part.data == '\t'))
			part.data++, part.size--;
		while (part.size && (part.data[part.size - 1] == ' ' ||
				     part.data[part.size - 1] == '\t'))
			part.size--;
		if (http_is_word(part, word))
			return true;
	}
	return false;
}

static int header(struct http_span line, struct http_request *r)
{
	const char *colon = memchr(line.data, ':', line.size);
	struct http_span name, v;

	if (!colon)
		return refuse(r, 400, "header without a colon");
	name = (struct http_span){ line.data, (size_t)(colon - line.data) };
	/* also: a space before the colon, and folded lines */
	if (!all_tokens(name))
		return refuse(r, 400, "malformed header name");
	v = (struct http_span){ colon + 1, line.size - name.size - 1 };
	while (v.size && (*v.data == ' ' || *v.data == '\t'))
		v.data++, v.size--;
	while (v.size &&
	       (v.data[v.size - 1] == ' ' || v.data[v.size - 1] == '\t'))
		v.size--;
	if (http_is_word(name, "content-length"))
		return content_length(v, r);
	if (http_is_word(name, "transfer-encoding")) {
		if (r->chunked || !http_is_word(v, "chunked"))
			return refuse(r, 400, "unknown Transfer-Encoding");
		r->chunked = true;
	} else if (http_is_word(name, "host")) {
		if (r->has_host)
			return refuse(r, 400, "repeated Host");
		if (!host_ok(v))
			return refuse(r, 400, "malformed Host");
		r->has_host = true;
	} else if (http_is_word(name, "connection")) {
		r->close |= list_has(v, "close");
	} else if (http_is_word(name, "expect")) {
		r->expect_continue |= http_is_word(v, "100-continue");
	} else if (http_is_word(name, "authorization")) {
		if (r->authorization.data)
			return refuse(r, 400, "repeated Authorization");
		r->authorization = v;
	} else if (http_is_word(name, "content-type")) {
		r->content_type = v;
	} else if (http_is_word(name, "x-request-id")) {
		r->request_id = v;
	}
	return 1;
}

int http_parse(const char *data, size_t size, struct http_request *r)
{
	bool full = size >= HTTP_HEAD_MAX;
	struct http_span line;
	size_t at = 0;
	int n;

	memset(r, 0, sizeof(*r));
	/* What is behind the limit must not matter: it may not be here yet. */
	if (full)
		size = HTTP_HEAD_MAX;
	/* RFC 9112, 2.2: empty lines before a request are passed over */
	while (size - at >= 2 && !memcmp(data + at, "\r\n", 2) && at < 8)
		at += 2;
	n = take_line(data, size, &at, &line);
	if (n == 1)
		n = request_line(line, r);
	for (int count = 0; n == 1; count++) {
		n = take_line(data, size, &at, &line);
		if (n != 1 || line.size == 0)
			break;
		if (count == HTTP_HEADERS_MAX)
			return refuse(r, 431, "too many headers");
		n = header(line, r);
	}
	if (n < 0)
		return r->status ? -1 :
				   refuse(r, 400, "control byte in the head");
	if (n == 0)
		return full ? refuse(r, 431, "headers too large") : 0;
	if (r->old) /* RFC 9110, 10.1.1 */
		r->expect_continue = false;
	if (r->chunked && r->has_length)
		return refuse(r, 400,
			      "both Content-Length and Transfer-Encoding");
	/* RFC 9112, 6.1: a 1.0 sender cannot have meant it */
	if (r->chunked && r->old)
		return refuse(r, 400, "Transfer-Encoding in HTTP/1.0");
	if (!r->has_host && !r->old) /* RFC 9112, 3.2 */
		return refuse(r, 400, "no Host");
	if (r->body_size > HTTP_BODY_MAX)
		return refuse(r, 413, "body larger than 4 MiB");
	r->head_size = at;
	return 1;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

/* RFC 9112, 7.1: the size; extensions are passed over. -1: malformed. */
static int chunk_size(struct http_span line, size_t *size)
{
	size_t i = 0;

	*size = 0;
	for (; i < line.size && hex_digit(line.data[i]) >= 0; i++) {
		if (i == 8)
			return -1;
		*size = *size << 4 | (size_t)hex_digit(line.data[i]);
	}
	if (i == 0)
		return -1;
	while (i < line.size && (line.data[i] == ' ' || line.data[i] == '\t'))
		i++;
	return i == line.size || line.data[i] == ';' ? 0 : -1;
}

/* One chunk, or one line of the trailers. As http_dechunk; 2: go on. */
static int take_chunk(char *data, size_t size, struct http_chunks *c)
{
	struct http_span line;
	size_t at = c->used, length;
	int n = take_line(data, size, &at, &line);

	/* However many packets it came in. */
	if ((n == 1 ? at : size) - c->used > HTTP_LINE_MAX)
		return -1;
	if (n != 1)
		return n;
	if (c->trailers) {
		c->used = at;
		return line.size ? 2 : 1;
	}
	if (chunk_size(line, &length))
		return -1;
	if (length == 0) {
		c->used = at;
		c->trailers = true;
		return 2;
	}
	if (length > HTTP_BODY_MAX - c->body)
		return -2;
	if (size - at < length + 2)
		return 0;
	if (memcmp(data + at + length, "\r\n", 2))
		return -1;
	memmove(data + c->body, data + at, length);
	c->body += length;
	c->used = at + length + 2;
	return 2;
}

int http_dechunk(char *data, size_t size, struct http_chunks *c)
{
	int n;

	do {
		n = take_chunk(data, size, c);
		if (c->used - c->body > HTTP_CHUNKS_MAX)
			n = -1; /* more framing than body: nobody means that */
	} while (n == 2);
	return n;
}
