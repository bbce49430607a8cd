// A request and its answer over node:http, with the errors told apart: before there
// was a connection, after the request has gone, too late.
import * as http from "node:http";
import * as https from "node:https";
import { AnswerTimeoutError, ConnectError, ConnectionLostError, ProtocolError, ZerobootError } from "./errors.js";

const IDLE_MS = 60_000; // a connection is used again; the server ends it after 75 s
const IDLE_MAX = 16; // connections that are kept

export interface Request {
	method: string;
	path: string;
	headers: Record<string, string>;
	body?: string | Uint8Array;
	/** That the answer may take, or each part of it. */
	seconds: number;
	each?: boolean;
	connectSeconds: number;
	signal?: AbortSignal;
}

/** Its head is there. */
export interface Answer {
	status: number;
	headers: http.IncomingHttpHeaders;
	/** To be gone through once; leaving it ends the connection. */
	parts: AsyncGenerator<Buffer, void>;
}

export async function bytesOf(answer: Answer): Promise<Buffer> {
	const parts: Buffer[] = [];
	for await (const part of answer.parts) parts.push(part);
	return Buffer.concat(parts);
}

/** A request that is sent, and why it ends early. */
class Exchange {
	private failure?: Error;
	private connected = false;
	private late?: NodeJS.Timeout;
	private readonly connecting: NodeJS.Timeout;

	constructor(
		private readonly origin: string,
		private readonly request: Request,
		private readonly sent: http.ClientRequest,
	) {
		this.connecting = setTimeout(
			() => this.giveUp(new ConnectError(`${origin}: no connection in time`)),
			request.connectSeconds * 1000,
		);
		this.wait();
		if (request.signal?.aborted) this.aborted();
		else request.signal?.addEventListener("abort", this.aborted);
	}

	open(): Promise<Answer> {
		const { sent } = this;
		sent.on("socket", (socket) => {
			const connected = () => {
				this.connected = true;
				clearTimeout(this.connecting);
			};
			if (socket.connecting) socket.once("encrypted" in socket ? "secureConnect" : "connect", connected);
			else connected();
		});
		return new Promise((resolve, reject) => {
			sent.on("error", (error) => {
				this.settle();
				reject(this.reason(error));
			});
			sent.on("response", (message) => {
				const { statusCode: status = 0, headers } = message;
				resolve({ status, headers, parts: this.parts(message) });
			});
			sent.end(this.request.body);
		});
	}

	private async *parts(message: http.IncomingMessage): AsyncGenerator<Buffer, void> {
		const parts = message[Symbol.asyncIterator]();
		try {
			for (;;) {
				if (this.request.each) this.wait();
				const part = await parts.next().catch((error: Error) => {
					throw this.reason(error);
				});
				if (this.request.each) clearTimeout(this.late);
				if (part.done) return;
				yield part.value as Buffer;
			}
		} finally {
			this.settle();
			if (!message.complete) this.sent.destroy();
		}
	}

	private reason(error: Error): Error {
		if (this.failure) return this.failure;
		const kind = this.connected ? ConnectionLostError : ConnectError;
		const bad = "code" in error && String(error.code).startsWith("HPE_"); // llhttp's
		return new (bad ? ProtocolError : kind)(`${this.origin}: ${error.message}`, { cause: error });
	}

	private wait(): void {
		const { seconds } = this.request;
		clearTimeout(this.late);
		this.late = setTimeout(
			() => this.giveUp(new AnswerTimeoutError(`no answer in ${seconds} s`)),
			seconds * 1000,
		);
	}

	private giveUp(error: Error): void {
		this.failure ??= error;
		this.settle();
		this.sent.destroy(error);
	}

	private readonly aborted = () => {
		const reason: unknown = this.request.signal?.reason;
		this.giveUp(reason instanceof Error ? reason : new ZerobootError("aborted"));
	};

	private settle(): void {
		clearTimeout(this.late);
		clearTimeout(this.connecting);
		this.request.signal?.removeEventListener("abort", this.aborted);
	}
}

export class Transport {
	private readonly url: URL;
	private readonly agent: http.Agent;

	constructor(baseUrl: string) {
		this.url = new URL(baseUrl);
		if (this.url.protocol !== "http:" && this.url.protocol !== "https:")
			throw new TypeError(`baseUrl: http://HOST[:PORT] or https://HOST[:PORT], not ${baseUrl}`);
		const options = { keepAlive: true, maxFreeSockets: IDLE_MAX, timeout: IDLE_MS };
		this.agent = this.url.protocol === "https:" ? new https.Agent(options) : new http.Agent(options);
	}

	close(): void {
		this.agent.destroy();
	}

	open(request: Request): Promise<Answer> {
		const { url } = this;
		const body = request.body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(request.body)) };
		const sent = (url.protocol === "https:" ? https : http).request(
			new URL(url.pathname.replace(/\/$/, "") + request.path, url),
			{ method: request.method, agent: this.agent, headers: { ...request.headers, ...body } },
		);
		return new Exchange(url.origin, request, sent).open();
	}
}
