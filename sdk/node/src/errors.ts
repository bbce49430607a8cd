// What can go wrong. Who wants to know whether the code may have run asks which of
// these it was: after ApiError (but ServerError and SessionDeletedError) and ConnectError
// it has not.

/** Any error of this package. */
export class ZerobootError extends Error {
	constructor(message: string, options?: { cause?: unknown }) {
		super(message, options);
		this.name = new.target.name;
	}
}

/** The server has refused the request. */
export class ApiError extends ZerobootError {
	constructor(
		readonly status: number,
		/** What the server says. */
		readonly reason: string,
		/** In seconds. */
		readonly retryAfter?: number,
	) {
		super(`API error (${status}): ${reason}`);
	}
}

/** 400: a field is wrong, a language unknown. */
export class BadRequestError extends ApiError {}
/** 401: no key, or not one of the server's. */
export class AuthenticationError extends ApiError {}
/** 404, 405: there is no such session; or the base URL leads to something else. */
export class NotFoundError extends ApiError {}
/** 413: more than the server's --max-body. */
export class TooLargeError extends ApiError {}
/** 409: the session was deleted before its run had ended. */
export class SessionDeletedError extends ApiError {}
/** 409: a language, or another template, has the name. */
export class NameTakenError extends ApiError {}
/** 410: the session's program has ended; reason says why. */
export class SessionEndedError extends ApiError {}
/** 429, after all retries. */
export class RateLimitError extends ApiError {}
/** 500 and above: the run may have begun. */
export class ServerError extends ApiError {}
/** 503, after all retries: the server is full or ends. Nothing has run. */
export class UnavailableError extends ServerError {}
/** 507: the session, or all of them, would be too large. It is as it was before. */
export class SessionTooLargeError extends ServerError {}

/** No connection. Nothing has run. */
export class ConnectError extends ZerobootError {}
/** The connection ended before the answer. It is not known whether the code ran, so it
 * is not run again. */
export class ConnectionLostError extends ZerobootError {}
/** No answer in the run's own time and `patience` beyond it. The run is given up. */
export class AnswerTimeoutError extends ZerobootError {}
/** What answered is not a zeroboot server. */
export class ProtocolError extends ZerobootError {}

const byStatus = new Map<number, typeof ApiError>([
	[400, BadRequestError],
	[401, AuthenticationError],
	[404, NotFoundError],
	[405, NotFoundError],
	[409, SessionDeletedError],
	[410, SessionEndedError],
	[413, TooLargeError],
	[429, RateLimitError],
	[503, UnavailableError],
	[507, SessionTooLargeError],
]);

export function errorOf(status: number, reason: string, retryAfter?: number): ApiError {
	const taken = status === 409 && reason.startsWith("name:");
	const kind = taken ? NameTakenError : (byStatus.get(status) ?? (status >= 500 ? ServerError : ApiError));
	return new kind(status, reason, retryAfter);
}
