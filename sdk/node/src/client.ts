import { ApiError, errorOf, ProtocolError } from "./errors.js";
import { Output, RunReader, Stream } from "./events.js";
import { Answer, bytesOf, Transport } from "./http.js";
import { Content, Execution, Health, Input, inputOf, requestOf, Result, resultOf, RunOptions, secondsOf } from "./models.js";
import {
	Client,
	infoOf,
	infosOf,
	makingOf,
	pathOf,
	Session,
	SessionInfo,
	SessionOptions,
	type Bytes,
	type TemplateInfo,
	templatesOf,
} from "./session.js";

const VERSION = "0.2.0";
const BASE_URL = "http://127.0.0.1:8080";
const FIRST_WAIT = 0.25; // seconds, and twice as many each time

export interface SandboxOptions {
	/** Seconds that an answer may take beyond the run's own time limit: 60. */
	patience?: number;
	/** Seconds: 10. */
	connectTimeout?: number;
	/** How often it is asked again after 429 and 503, where nothing has run: 4. */
	retries?: number;
	/** Not where the server wants a wait of more than so many seconds: 30. */
	maxRetryWait?: number;
}

type Body = string | Uint8Array | undefined;

/** Ends what is under way, a run included. */
export interface Abortable {
	signal?: AbortSignal;
}

function messageOf(body: string): string {
	try {
		const { error } = JSON.parse(body) as { error?: unknown };
		if (typeof error === "string") return error;
	} catch {
		// somebody else's answer
	}
	return body.slice(0, 200).trim() || "no reason given";
}

/** Raises what an answer that is not 2xx says. */
function check(answer: Answer, data: Buffer): void {
	if (answer.status >= 200 && answer.status < 300) return;
	const after = answer.headers["retry-after"];
	throw errorOf(answer.status, messageOf(data.toString()), after && /^\d{1,9}$/.test(after) ? Number(after) : undefined);
}

function decode(body: string): unknown {
	try {
		return JSON.parse(body);
	} catch (cause) {
		throw new ProtocolError("the answer is not JSON", { cause });
	}
}

function resultsOf(answer: unknown, all: readonly RunOptions[]): Result[] {
	const { results } = (answer ?? {}) as { results?: unknown };
	if (!Array.isArray(results) || results.length !== all.length) throw new ProtocolError("not the answer of a batch");
	return results.map((result, i) => resultOf(result, all[i]?.binary));
}

function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const done = () => {
			clearTimeout(timer);
			signal?.removeEventListener("abort", done);
			resolve();
		};
		const timer = setTimeout(done, seconds * 1000);
		signal?.addEventListener("abort", done);
	});
}

/** Runs code on a zeroboot server, each run in a virtual machine of its own. */
export class Sandbox {
	readonly baseUrl: string;
	private readonly headers: Record<string, string>;
	private readonly transport: Transport;
	private readonly client: Client = {
		ask: (...request) => this.ask(...request),
		askBytes: (...request) => this.askBytes(...request),
		stream: (...request) => new Stream(this.items(...request)),
	};
	private readonly options: Required<SandboxOptions>;

	/** apiKey, baseUrl: else from ZEROBOOT_API_KEY, ZEROBOOT_BASE_URL. */
	constructor(apiKey?: string, baseUrl?: string, options: SandboxOptions = {}) {
		const key = apiKey ?? process.env["ZEROBOOT_API_KEY"];
		if (key && !/^[\x21-\x7e]+$/.test(key)) throw new TypeError("apiKey: a character that no key has");
		this.baseUrl = (baseUrl || process.env["ZEROBOOT_BASE_URL"] || BASE_URL).replace(/\/+$/, "");
		this.transport = new Transport(this.baseUrl);
		this.headers = { "User-Agent": `zeroboot-node/${VERSION}`, Accept: "application/json" };
		if (key) this.headers["Authorization"] = `Bearer ${key}`;
		this.options = { patience: 60, connectTimeout: 10, retries: 4, maxRetryWait: 30, ...options };
	}

	/** Runs code. */
	async run(code: string, options: RunOptions & Abortable = {}): Promise<Result> {
		const body = requestOf(code, options);
		return resultOf(await this.ask("POST", "/v1/exec", body, secondsOf(options), options.signal), options.binary);
	}

	/** Runs several in parallel; results are in their order. What is not a string has
	 * options of its own. */
	async runBatch(codes: readonly (string | Execution)[], options: RunOptions & Abortable = {}): Promise<Result[]> {
		const all = codes.map((code): Execution => (typeof code === "string" ? { ...options, code } : code));
		const body = { executions: all.map((execution) => requestOf(execution.code, execution)) };
		const seconds = all.reduce((sum, execution) => sum + secondsOf(execution), 0);
		const answer = await this.ask("POST", "/v1/exec/batch", body, seconds, options.signal);
		return resultsOf(answer, all);
	}

	/** Runs one program over many inputs, at most 1,000: it begins once, and where it first
	 * asks for standard input each goes on from there, in parallel. Results are in their
	 * order, and as if each had been run by itself. */
	async runInputs(
		code: string,
		inputs: readonly (Content | Input)[],
		options: Omit<RunOptions, "stdin"> & Abortable = {},
	): Promise<Result[]> {
		const body = { ...requestOf(code, options), inputs: inputs.map(inputOf) };
		const seconds = secondsOf(options) * (inputs.length + 1);
		return resultsOf(await this.ask("POST", "/v1/exec/batch", body, seconds, options.signal), inputs.map(() => options));
	}

	/** As run, but what the program writes comes while it runs. */
	stream(code: string, options: RunOptions & Abortable = {}): Stream {
		return new Stream(this.items("/v1/exec", requestOf(code, options), options));
	}

	/** Makes a session: a program that stays. */
	async session(options: SessionOptions & Abortable = {}): Promise<Session> {
		const answer = await this.ask("POST", "/v1/sessions", makingOf(options), 0, options.signal);
		return new Session(this.client, infoOf(answer));
	}

	/** The same, of a sandbox that is its own. */
	static session(options: SessionOptions & Abortable = {}): Promise<Session> {
		return new Sandbox().session(options);
	}

	/** The key's sessions, the newest first, at most 1,000. */
	async sessions(): Promise<SessionInfo[]> {
		return infosOf(await this.ask("GET", "/v1/sessions"));
	}

	/** One that there is; else NotFoundError. */
	async getSession(id: string): Promise<Session> {
		return new Session(this.client, infoOf(await this.ask("GET", pathOf(id))));
	}

	/** The key's, made of sessions; the newest first. */
	async templates(): Promise<TemplateInfo[]> {
		return templatesOf(await this.ask("GET", "/v1/templates"));
	}

	/** What runs of it ends as it would, its sessions go on. */
	async deleteTemplate(name: string): Promise<void> {
		await this.ask("DELETE", `/v1/templates/${encodeURIComponent(name)}`);
	}

	/** What the server says of itself: status, and the templates there are. */
	async health(): Promise<Health> {
		const answer = await this.send("GET", "/v1/health", undefined, 0);
		const data = await bytesOf(answer);
		if (answer.status !== 503) check(answer, data); // 503: not every template is ready
		const health = decode(data.toString()) as Partial<Health> | null;
		if (!health?.templates) throw new ProtocolError("not the answer of a zeroboot server");
		return health as Health;
	}

	/** Ends the connections that wait. */
	close(): void {
		this.transport.close();
	}

	private send(method: string, path: string, body: Body, seconds: number, signal?: AbortSignal, each = false) {
		const type = typeof body === "string" ? "application/json" : "application/octet-stream";
		const headers = body === undefined ? this.headers : { ...this.headers, "Content-Type": type };
		return this.transport.open({
			...{ method, path, headers, seconds: seconds + this.options.patience },
			...{ each, connectSeconds: this.options.connectTimeout },
			...(body === undefined ? {} : { body }),
			...(signal ? { signal } : {}),
		});
	}

	private async ask(method: string, path: string, body?: unknown, seconds = 0, signal?: AbortSignal): Promise<unknown> {
		const text = body === undefined ? undefined : JSON.stringify(body);
		const { data } = await this.askBytes(method, path, text, seconds, signal);
		return data.length === 0 ? undefined : decode(new TextDecoder().decode(data));
	}

	private async askBytes(method: string, path: string, body?: Body, seconds = 0, signal?: AbortSignal): Promise<Bytes> {
		for (let attempt = 0; ; attempt++) {
			const answer = await this.send(method, path, body, seconds, signal);
			const data = await bytesOf(answer);
			try {
				check(answer, data);
				return { type: answer.headers["content-type"] ?? "", data };
			} catch (error) {
				const wait = this.waitBefore(attempt, error);
				if (wait === undefined) throw error;
				await sleep(wait, signal);
			}
		}
	}

	private async *items(path: string, body: object, options: RunOptions & Abortable): AsyncGenerator<Output | Result, void> {
		const text = JSON.stringify({ ...body, stream: true });
		for (let attempt = 0; ; attempt++) {
			const answer = await this.send("POST", path, text, secondsOf(options), options.signal, true);
			if (answer.status === 200 && answer.headers["content-type"]?.startsWith("text/event-stream")) {
				const reader = new RunReader(options.binary ?? false);
				for await (const part of answer.parts) yield* reader.feed(part);
				reader.end();
				return;
			}
			const answered = await bytesOf(answer);
			try {
				check(answer, answered);
			} catch (error) {
				const wait = this.waitBefore(attempt, error);
				if (wait === undefined) throw error;
				await sleep(wait, options.signal);
				continue;
			}
			throw new ProtocolError("the answer is no stream");
		}
	}

	/** How many seconds before it is asked once more; undefined: it is not. Only of
	 * answers that say that nothing has run. */
	private waitBefore(attempt: number, error: unknown): number | undefined {
		if (!(error instanceof ApiError) || (error.status !== 429 && error.status !== 503)) return undefined;
		const wait = error.retryAfter ?? FIRST_WAIT * 2 ** attempt;
		if (attempt >= this.options.retries || wait > this.options.maxRetryWait) return undefined;
		return wait + Math.random() * (FIRST_WAIT + wait / 4);
	}
}
