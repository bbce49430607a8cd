#include "http.h"

#include <arpa/inet.h>
#include <stdio.h>

#define HTTP_LINE_MAX 4096          /* of a chunk's size or a trailer */
#define HTTP_FRAMING_MAX (4u << 20) /* bytes around all chunks */

static size_t body_mib = HTTP_BODY_MIB;

size_t http_body_max(void)
{
	return body_mib << 20;
}

const char *http_body_complaint(void)
{
	static char text[48];

	snprintf(text, sizeof(text), "body larger than %zu MiB", body_mib);
	return text;
}

void http_set_body_max(unsigned mib)
{
	body_mib = mib;
}

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 421, "Misdirected Request" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
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

/* RFC 9110, 5.6.2; RFC 3986, 2: unreserved characters and subordinate
 * delimiters; what no line has but at its end. */
enum { TOKEN = 1, URI = 2, BREAK = 4 };

static const uint8_t kinds[256] = {
	[0 ... 8] = BREAK,
	[10 ... 31] = BREAK,
	[127] = BREAK,
	['0' ... '9'] = TOKEN | URI,
	['A' ... 'Z'] = TOKEN | URI,
	['a' ... 'z'] = TOKEN | URI,
	['-'] = TOKEN | URI,
	['.'] = TOKEN | URI,
	['_'] = TOKEN | URI,
	['~'] = TOKEN | URI,
	['!'] = TOKEN | URI,
	['$'] = TOKEN | URI,
	['&'] = TOKEN | URI,
	['\''] = TOKEN | URI,
	['*'] = TOKEN | URI,
	['+'] = TOKEN | URI,
	['#'] = TOKEN,
	['%'] = TOKEN,
	['^'] = TOKEN,
	['`'] = TOKEN,
	['|'] = TOKEN,
	['('] = URI,
	[')'] = URI,
	[','] = URI,
	[';'] = URI,
	['='] = URI,
};

static bool is_kind(char c, int kind)
{
	return kinds[(uint8_t)c] & kind;
}

static bool one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

int http_escaped(struct http_span s, size_t at)
{
	int high, low;

	if (s.size - at < 3)
		return -1;
	high = hex_digit(s.data[at + 1]);
	low = hex_digit(s.data[at + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Characters of a URI, %XX, and more. */
static bool uri_ok(struct http_span s, const char *more)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.data[i];

		if (is_kind(c, URI) || one_of(c, more))
			continue;
		if (c != '%' || http_escaped(s, i) < 0)
			return false;
		i += 2;
	}
	return true;
}

static bool all_tokens(struct http_span s)
{
	for (size_t i = 0; i < s.size; i++)
		if (!is_kind(s.data[i], TOKEN))
			return false;
	return s.size > 0;
}

/* The line at *at, without its CR LF, and *at behind it. 1, 0: incomplete,
 * -1: a bare CR or LF or a control byte. */
static int take_line(const char *data, size_t size, size_t *at,
		     struct http_span *line)
{
	size_t i = *at;

	while (i < size && !is_kind(data[i], BREAK))
		i++;
	if (i == size || (data[i] == '\r' && i + 1 == size))
		return 0;
	if (data[i] != '\r' || data[i + 1] != '\n')
		return -1;
	*line = (struct http_span){ data + *at, i - *at };
	*at = i + 2;
	return 1;
}

bool http_is_address(struct http_span v, int family)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address; /* the larger one */

	if (v.size >= sizeof(text))
		return false;
	memcpy(text, v.data, v.size);
	text[v.size] = 0;
	return inet_pton(family, text, &address) == 1;
}

/* RFC 9110, 7.2: host and port, of which nothing may be there. A comma would make
 * a list of it, of which somebody else may take another one. */
static bool host_ok(struct http_span v)
{
	const char *end = v.data + v.size, *at;
	struct http_span host, port;

	if (v.size == 0)
		return true;
	if (v.data[0] == '[') {
		at = memchr(v.data, ']', v.size);
		if (!at)
			return false;
		host = (struct http_span){ v.data + 1,
					   (size_t)(at - v.data - 1) };
		at++;
		if (!http_is_address(host, AF_INET6))
			return false;
	} else {
		at = memchr(v.data, ':', v.size);
		if (!at)
			at = end;
		host = (struct http_span){ v.data, (size_t)(at - v.data) };
		if (host.size == 0 || !uri_ok(host, "") ||
		    memchr(host.data, ',', host.size))
			return false;
	}
	if (at == end)
		return true;
	port = (struct http_span){ at + 1, (size_t)(end - at - 1) };
	for (size_t i = 0; i < port.size; i++)
		if (port.data[i] < '0' || port.data[i] > '9')
			return false;
	return *at == ':';
}

/* RFC 3986, 3.2: a host with, perhaps, a user before it. */
static bool authority_ok(struct http_span v)
{
	const char *at = memchr(v.data, '@', v.size);
	struct http_span user = { v.data, at ? (size_t)(at - v.data) : 0 };
	struct http_span host = v;

	if (at)
		host = (struct http_span){ at + 1, v.size - user.size - 1 };
	return host.size && uri_ok(user, ":") && host_ok(host);
}

/* RFC 9112, 3.2.2: of http://host:port/path the path, which may be left out.
 * Nothing: malformed. */
static struct http_span without_authority(struct http_span target)
{
	size_t host = 7, at = host;

	if (target.size <= host || strncasecmp(target.data, "http://", host))
		return target;
	while (at < target.size && target.data[at] != '/' &&
	       target.data[at] != '?')
		at++;
	if (!authority_ok((struct http_span){ target.data + host, at - host }))
		return (struct http_span){ 0 };
	if (at == target.size)
		return (struct http_span){ "/", 1 };
	return (struct http_span){ target.data + at, target.size - at };
}

/* The path of a target, without the query; nothing: malformed. */
static struct http_span path_of(struct http_span target,
				struct http_span method)
{
	struct http_span rest = without_authority(target);
	const char *end;

	if (http_is(target, "*") && http_is(method, "OPTIONS"))
		return target;
	if (rest.size == 0 || !uri_ok(rest, ":@/?") ||
	    (rest.data == target.data && rest.data[0] != '/'))
		return (struct http_span){ 0 };
	end = memchr(rest.data, '?', rest.size);
	if (end == rest.data)
		return (struct http_span){ "/", 1 };
	if (end)
		rest.size = (size_t)(end - rest.data);
	return rest;
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
	r->path = path_of(target, r->method);
	if (r->path.size == 0)
		return refuse(r, 400, "malformed request target");
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

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_span trim(struct http_span v)
{
	while (v.size && is_space(*v.data))
		v.data++, v.size--;
	while (v.size && is_space(v.data[v.size - 1]))
		v.size--;
	return v;
}

/* What stands before the next end, which is no part of a quoted text; *v is what is
 * behind it. */
static struct http_span take_until(struct http_span *v, char end)
{
	struct http_span part = { v->data, 0 };
	bool quoted = false;
	size_t i = 0;

	for (; i < v->size && (quoted || v->data[i] != end); i++) {
		if (v->data[i] == '"')
			quoted = !quoted;
		else if (quoted && v->data[i] == '\\' && i + 1 < v->size)
			i++;
	}
	part.size = i;
	i += i < v->size;
	*v = (struct http_span){ v->data + i, v->size - i };
	return trim(part);
}

static bool list_has(struct http_span v, const char *word)
{
	while (v.size)
		if (http_is_word(take_until(&v, ','), word))
			return true;
	return false;
}

/* RFC 9110, 12.4.2: in thousandths. What is no weight is 0. */
static int weight_of(struct http_span v)
{
	int weight = 0, unit = 1000;

	for (size_t i = 0; i < v.size; i++) {
		if (i == 1 ? v.data[i] != '.' :
			     v.data[i] < '0' || v.data[i] > '9' || !unit)
			return 0;
		if (i == 1)
			continue;
		weight += (v.data[i] - '0') * unit;
		unit /= 10;
	}
	return weight <= 1000 ? weight : 0;
}

/* RFC 9110, 12.5.1; a field may come in several lines. */
static void take_accept(struct http_span v, struct http_request *r)
{
	while (v.size) {
		struct http_span range = take_until(&v, ',');
		struct http_span type = take_until(&range, ';'), part;
		int weight = 1000, *to = NULL;

		while (range.size) {
			part = take_until(&range, ';');
			if (part.size >= 2 && !strncasecmp(part.data, "q=", 2))
				weight = weight_of((struct http_span){
					part.data + 2, part.size - 2 });
		}
		if (http_is_word(type, "text/event-stream"))
			to = &r->events;
		else if (http_is_word(type, "application/json"))
			to = &r->json;
		if (to && *to < weight)
			*to = weight;
	}
}

/* RFC 9112, 5: a field of a head or a trailer. NULL, or what is wrong with it. */
static const char *split_field(struct http_span line, struct http_span *name,
			       struct http_span *value)
{
	const char *colon = memchr(line.data, ':', line.size);

	if (!colon)
		return "header without a colon";
	*name = (struct http_span){ line.data, (size_t)(colon - line.data) };
	/* also: a space before the colon, and folded lines */
	if (!all_tokens(*name))
		return "malformed header name";
	*value = trim(
		(struct http_span){ colon + 1, line.size - name->size - 1 });
	return NULL;
}

/* A field that there may be one of: a second could mean something else. */
static int take_once(struct http_span *to, struct http_span v,
		     struct http_request *r, const char *reason)
{
	if (to->data)
		return refuse(r, 400, reason);
	*to = v;
	return 1;
}

static int header(struct http_span line, struct http_request *r)
{
	struct http_span name, v;
	const char *wrong = split_field(line, &name, &v);

	if (wrong)
		return refuse(r, 400, wrong);
	if (http_is_word(name, "content-length"))
		return content_length(v, r);
	if (http_is_word(name, "transfer-encoding")) {
		if (r->chunked || !http_is_word(v, "chunked"))
			return refuse(r, 400, "unknown Transfer-Encoding");
		r->chunked = true;
	} else if (http_is_word(name, "host")) {
		if (!host_ok(v))
			return refuse(r, 400, "malformed Host");
		return take_once(&r->host, v, r, "repeated Host");
	} else if (http_is_word(name, "connection")) {
		r->close |= list_has(v, "close");
	} else if (http_is_word(name, "expect")) {
		r->expect_continue |= http_is_word(v, "100-continue");
	} else if (http_is_word(name, "authorization")) {
		return take_once(&r->authorization, v, r,
				 "repeated Authorization");
	} else if (http_is_word(name, "content-type")) {
		return take_once(&r->content_type, v, r,
				 "repeated Content-Type");
	} else if (http_is_word(name, "content-encoding")) {
		r->encoded |= v.size && !http_is_word(v, "identity");
	} else if (http_is_word(name, "accept")) {
		take_accept(v, r);
	} else if (http_is_word(name, "origin")) {
		return take_once(&r->origin, v, r, "repeated Origin");
	} else if (http_is_word(name, "x-request-id")) {
		r->request_id = v;
	} else if (http_is_word(name, "if-none-match")) {
		r->known = v;
	} else if (http_is_word(name, "mcp-protocol-version")) {
		r->mcp_version = v;
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
	if (!r->host.data && !r->old) /* RFC 9112, 3.2 */
		return refuse(r, 400, "no Host");
	if (r->body_size > http_body_max())
		return refuse(r, 413, http_body_complaint());
	r->head_size = at;
	return 1;
}

static void skip_blanks(struct http_span *v)
{
	while (v->size && one_of(*v->data, " \t"))
		v->data++, v->size--;
}

static bool skip_byte(struct http_span *v, char c)
{
	if (!v->size || *v->data != c)
		return false;
	v->data++, v->size--;
	return true;
}

static bool skip_token(struct http_span *v)
{
	size_t before = v->size;

	while (v->size && is_kind(*v->data, TOKEN))
		v->data++, v->size--;
	return v->size < before;
}

/* RFC 9110, 5.6.4; control bytes are refused with the line. */
static bool skip_quoted(struct http_span *v)
{
	if (!v->size || *v->data != '"')
		return false;
	for (size_t i = 1; i < v->size; i++) {
		if (v->data[i] == '"') {
			v->data += i + 1;
			v->size -= i + 1;
			return true;
		}
		if (v->data[i] == '\\')
			i++;
	}
	return false;
}

/* RFC 9112, 7.1.1: any number of ;NAME, ;NAME=TOKEN and ;NAME="TEXT". */
static bool extensions_ok(struct http_span v)
{
	while (v.size) {
		struct http_span value;

		skip_blanks(&v);
		if (!skip_byte(&v, ';'))
			return false;
		skip_blanks(&v);
		if (!skip_token(&v))
			return false;
		value = v;
		skip_blanks(&value);
		if (!skip_byte(&value, '='))
			continue;
		skip_blanks(&value);
		v = value;
		if (!skip_quoted(&v) && !skip_token(&v))
			return false;
	}
	return true;
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
	line = (struct http_span){ line.data + i, line.size - i };
	return extensions_ok(line) ? 0 : -1;
}

/* A field like any other; nobody here asks what it says. As take_chunk. */
static int take_trailer(struct http_span line, struct http_chunks *c)
{
	struct http_span name, value;

	if (c->trailers++ == HTTP_HEADERS_MAX)
		return -1;
	return split_field(line, &name, &value) ? -1 : 2;
}

/* What has come of a chunk. As http_dechunk; 2: go on. */
static int move_chunk(char *data, size_t size, struct http_chunks *c)
{
	size_t part = size - c->used;

	if (c->left > 2) {
		part = part < c->left - 2 ? part : c->left - 2;
		memmove(data + c->body, data + c->used, part);
		c->body += part;
		c->used += part;
		c->left -= part;
	}
	if (c->left > 2 || size - c->used < 2)
		return 0;
	if (memcmp(data + c->used, "\r\n", 2))
		return -1;
	c->used += 2;
	c->left = 0;
	return 2;
}

/* A chunk's line, or one of the trailers. As http_dechunk; 2: go on. */
static int take_framing(char *data, size_t size, struct http_chunks *c)
{
	struct http_span line;
	size_t at = c->used, length;
	int n = take_line(data, size, &at, &line);

	/* However many packets it came in. */
	if ((n == 1 ? at : size) - c->used > HTTP_LINE_MAX)
		return -1;
	if (n != 1)
		return n;
	if (c->in_trailers) {
		c->used = at;
		return line.size ? take_trailer(line, c) : 1;
	}
	if (chunk_size(line, &length))
		return -1;
	if (length == 0) {
		c->used = at;
		c->in_trailers = true;
		return 2;
	}
	if (length > http_body_max() - c->body)
		return -2;
	c->used = at;
	c->left = length + 2;
	return 2;
}

int http_dechunk(char *data, size_t size, struct http_chunks *c)
{
	int n;

	do {
		n = c->left ? move_chunk(data, size, c) :
			      take_framing(data, size, c);
		if (c->used - c->body > HTTP_FRAMING_MAX)
			n = -1; /* more framing than body: nobody means that */
	} while (n == 2);
	return n;
}
