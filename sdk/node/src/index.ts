export {
	AnswerTimeoutError,
	ApiError,
	AuthenticationError,
	BadRequestError,
	ConnectError,
	ConnectionLostError,
	NotFoundError,
	ProtocolError,
	RateLimitError,
	ServerError,
	SessionDeletedError,
	SessionEndedError,
	SessionTooLargeError,
	TooLargeError,
	UnavailableError,
	ZerobootError,
} from "./errors.js";
export { Sandbox, type Abortable, type SandboxOptions } from "./client.js";
export { Session, type FileEntry, type OnTimeout, type SessionInfo, type SessionOptions, type SessionRunOptions } from "./session.js";
export { Stream, type Output } from "./events.js";
export type { Content, Execution, Health, Input, Result, RunOptions, Usage } from "./models.js";
