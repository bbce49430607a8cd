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
	TooLargeError,
	UnavailableError,
	ZerobootError,
} from "./errors.js";
export { Sandbox, type Abortable, type SandboxOptions } from "./client.js";
export { Stream, type Output } from "./events.js";
export type { Content, Execution, Health, Result, RunOptions, Usage } from "./models.js";
