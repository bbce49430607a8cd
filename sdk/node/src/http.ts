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
	body?: string;
	/** That the answer may take. */
	seconds: number;
	connectSeconds: number;
	signal?: AbortSignal;
}

export interface Answer {
	status: number;
	headers: http.IncomingHttpHeaders;
	body: string;
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

	ask(request: Request): Promise<Answer> {
		return new Promise((resolve, reject) => {
			const { body, seconds, signal } = request;
			let connected = false;
			const sent = this.send(request, () => {
				connected = true;
				clearTimeout(connecting);
			});
			const giveUp = (error: Error) => {
				settle();
				sent.destroy();
				reject(error);
			};
			const late = setTimeout(() => giveUp(new AnswerTimeoutError(`no answer in ${seconds} s`)), seconds * 1000);
			const connecting = setTimeout(
				() => giveUp(new ConnectError(`${this.url.origin}: no connection in time`)),
				request.connectSeconds * 1000,
			);
			const aborted = () => giveUp(signal?.reason instanceof Error ? signal.reason : new ZerobootError("aborted"));
			const settle = () => {
				clearTimeout(late);
				clearTimeout(connecting);
				signal?.removeEventListener("abort", aborted);
			};
			const lost = (error: Error) => {
				settle();
				const kind = connected ? ConnectionLostError : ConnectError;
				const bad = "code" in error && String(error.code).startsWith("HPE_"); // llhttp's
				reject(new (bad ? ProtocolError : kind)(`${this.url.origin}: ${error.message}`, { cause: error }));
			};
			sent.on("error", lost);
			sent.on("response", (answer) => {
				const parts: Buffer[] = [];
				answer.on("data", (part: Buffer) => parts.push(part));
				answer.on("error", lost);
				answer.on("end", () => {
					settle();
					const text = Buffer.concat(parts).toString();
					resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text });
				});
			});
			if (signal?.aborted) aborted();
			else signal?.addEventListener("abort", aborted);
			sent.end(body);
		});
	}

	private send(request: Request, connected: () => void): http.ClientRequest {
		const { url } = this;
		const body = request.body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(request.body)) };
		const sent = (url.protocol === "https:" ? https : http).request(
			new URL(url.pathname.replace(/\/$/, "") + request.path, url),
			{ method: request.method, agent: this.agent, headers: { ...request.headers, ...body } },
		);
		sent.on("socket", (socket) => {
			if (socket.connecting) socket.once(url.protocol === "https:" ? "secureConnect" : "connect", connected);
			else connected();
		});
		return sent;
	}
}
