/* api_session.h: what the endpoints of sessions do: see endpoint.h. */
#ifndef ZEROBOOT_API_SESSION_H
#define ZEROBOOT_API_SESSION_H

#include "api.h"

/* POST: make one, run code in it, fork it. */
void api_session_body(struct exchange *x, const char *body, size_t size);
void api_session_list(struct exchange *x, const char *body, size_t size);
void api_session_show(struct exchange *x, const char *body, size_t size);
void api_session_interrupt(struct exchange *x, const char *body, size_t size);
void api_session_delete(struct exchange *x, const char *body, size_t size);

/* That the path names, of this key, whose program goes on; NULL: answered. */
struct session *api_session_alive(struct exchange *x);
/* The job of the exchange is an exec of it. */
void api_session_submit(struct exchange *x, struct session *s);
/* The client is gone: one that it has not been told of goes, too. */
void api_session_abandon(struct exchange *x);
/* Has the state of one that is away (session.h) read, or saved; then done is called, by a
 * job of the exchange's. look: it is only told of. 0, -EAGAIN or -ENOMEM. */
int api_session_fetch(struct exchange *x, struct session *s, bool look,
		      void (*done)(struct job *job));

extern const struct object api_session_answer, api_sessions_answer,
	api_forks_answer;

#endif
