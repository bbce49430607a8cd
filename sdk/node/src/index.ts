export {
	AnswerTimeoutError,
	ApiError,
	AuthenticationError,
	BadRequestError,
	ConnectError,
	ConnectionLostError,
	NameTakenError,
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
export { Session, type FileEntry, type OnTimeout, type SessionInfo, type SessionOptions, type SessionRunOptions, type TemplateInfo } from "./session.js";
export { Stream, type Output } from "./events.js";
export type { Content, Execution, Health, Input, Result, RunOptions, Usage } from "./models.js";
