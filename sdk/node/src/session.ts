/// <reference lib="esnext.disposable" preserve="true" />
// Sessions: programs that stay.
import { NotFoundError, ProtocolError } from "./errors.js";
import { Content, contentsOf, requestOf, Result, resultOf, RunOptions, secondsOf } from "./models.js";

/** How a session stands. */
export interface SessionInfo {
	id: string;
	language: string;
	/** live: it can go on at once; parked: as well; ended: its program has. */
	state: "live" | "parked" | "ended";
	/** Why it has ended. */
	reason?: string;
	/** That are kept of it. */
	memory_mb: number;
	created: string;
	last_used: string;
	runs: number;
	/** It is deleted without a request for so long; 0: never. */
	idle_seconds: number;
	/** The server's disk has it as it is; not there: it has no --state. */
	saved?: boolean;
	warnings?: string[];
}

/** What becomes of a session when a run is cut off: its program ends, or it is as it was
 * before the run. */
export type OnTimeout = "end" | "rollback";

export interface SessionOptions {
	/** python unless said otherwise. */
	language?: string;
	/** 600; 0: never. */
	idle_seconds?: number;
	on_timeout?: OnTimeout;
	env?: Readonly<Record<string, string>>;
	files?: Readonly<Record<string, Content>>;
}

/** As RunOptions; the language is the session's. */
export interface SessionRunOptions extends Omit<RunOptions, "language"> {
	/** If not as the session was made. */
	on_timeout?: OnTimeout;
}

/** Sends a request, and checks the answer: a Sandbox's. */
export type Asker = (method: string, path: string, body?: unknown, seconds?: number, signal?: AbortSignal) => Promise<unknown>;

export function infoOf(answer: unknown): SessionInfo {
	const info = answer as Partial<SessionInfo> | null;
	if (typeof info?.id !== "string" || !info.language) throw new ProtocolError("not the answer of a session");
	return info as SessionInfo;
}

export function infosOf(answer: unknown): SessionInfo[] {
	const { sessions } = (answer ?? {}) as { sessions?: unknown };
	if (!Array.isArray(sessions)) throw new ProtocolError("not the answer of sessions");
	return sessions.map(infoOf);
}

export function pathOf(id: string): string {
	return `/v1/sessions/${encodeURIComponent(id)}`;
}

/** The request that makes one. */
export function makingOf({ language, idle_seconds, on_timeout, env, files }: SessionOptions): unknown {
	return { language: language ?? "python", idle_seconds, on_timeout, env, files: files && contentsOf(files) };
}

/** A program that stays: what one run has set, imported, opened or written is there for
 * the next. Runs are one after another; others wait. */
export class Session {
	readonly id: string;
	readonly language: string;

	constructor(
		private readonly ask: Asker,
		info: SessionInfo,
	) {
		this.id = info.id;
		this.language = info.language;
	}

	/** As Sandbox.run, in the session; `result` is the value of the last expression. */
	async run(code: string, options: SessionRunOptions & { signal?: AbortSignal } = {}): Promise<Result> {
		const body = { ...requestOf(code, options), language: undefined, on_timeout: options.on_timeout };
		const path = `${pathOf(this.id)}/exec`;
		return resultOf(await this.ask("POST", path, body, secondsOf(options), options.signal), options.binary);
	}

	/** So many sessions, at most 100, with all of this one's state, which goes on. */
	async fork(count = 1): Promise<Session[]> {
		const answer = await this.ask("POST", `${pathOf(this.id)}/fork`, { count });
		return infosOf(answer).map((info) => new Session(this.ask, info));
	}

	async info(): Promise<SessionInfo> {
		return infoOf(await this.ask("GET", pathOf(this.id)));
	}

	/** What runs of it is cut off. */
	async delete(): Promise<void> {
		await this.ask("DELETE", pathOf(this.id));
	}

	/** Deletes it, if it is still there. */
	async close(): Promise<void> {
		try {
			await this.delete();
		} catch (error) {
			if (!(error instanceof NotFoundError)) throw error;
		}
	}

	/** For `await using`. */
	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}
}
