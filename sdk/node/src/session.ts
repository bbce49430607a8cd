/// <reference lib="esnext.disposable" preserve="true" />
// Sessions: programs that stay.
import { NotFoundError, ProtocolError, ZerobootError } from "./errors.js";
import { Stream } from "./events.js";
import { bytesOf, Content, contentsOf, requestOf, Result, resultOf, RunOptions, secondsOf } from "./models.js";

/** How a session stands. */
export interface SessionInfo {
	id: string;
	language: string;
	/** live: it runs, or has not yet; parked: what it has changed is kept; ended: see reason. */
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

/** What becomes of a session when a run is cut off: its program ends, it is as it was before
 * the run, or the run gets SIGINT, as by ^C. */
export type OnTimeout = "end" | "rollback" | "interrupt";

/** One of a directory. */
export interface FileEntry {
	name: string;
	type: "file" | "directory" | "link" | "other";
	/** Of a file. */
	size?: number;
}

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

export interface Bytes {
	type: string;
	data: Uint8Array;
}

/** Sends requests and checks answers: a Sandbox's. */
export interface Client {
	ask(method: string, path: string, body?: unknown, seconds?: number, signal?: AbortSignal): Promise<unknown>;
	askBytes(method: string, path: string, body?: Uint8Array): Promise<Bytes>;
	stream(path: string, body: object, options: RunOptions & { signal?: AbortSignal }): Stream;
}

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

/** What a session has become: a language of that name. */
export interface TemplateInfo {
	name: string;
	/** Of the session. */
	language: string;
	/** That it takes. */
	memory_mb: number;
	created: string;
	/** That are of it. */
	sessions: number;
	/** The server's disk has it; not there: it has no --state. */
	saved?: boolean;
	/** Why nothing can run of it. */
	reason?: string;
	warnings?: string[];
}

export function templateOf(answer: unknown): TemplateInfo {
	const info = answer as Partial<TemplateInfo> | null;
	if (typeof info?.name !== "string" || !info.language) throw new ProtocolError("not the answer of a template");
	return info as TemplateInfo;
}

export function templatesOf(answer: unknown): TemplateInfo[] {
	const { templates } = (answer ?? {}) as { templates?: unknown };
	if (!Array.isArray(templates)) throw new ProtocolError("not the answer of templates");
	return templates.map(templateOf);
}

export function pathOf(id: string): string {
	return `/v1/sessions/${encodeURIComponent(id)}`;
}

/** As one segment, which is not a dot or two: those a URL takes for its own. */
function filePathOf(id: string, path: string): string {
	return `${pathOf(id)}/files/${encodeURIComponent(/^\.\.?$/.test(path) ? `./${path}` : path)}`;
}

const isListing = ({ type }: Bytes) => type.startsWith("application/json");

/** The request that makes one. */
export function makingOf({ language, idle_seconds, on_timeout, env, files }: SessionOptions): unknown {
	return { language: language ?? "python", idle_seconds, on_timeout, env, files: files && contentsOf(files) };
}

/** The request of a run. */
function execOf(code: string, options: SessionRunOptions): object {
	return { ...requestOf(code, options), language: undefined, on_timeout: options.on_timeout };
}

/** A program that stays: what one run has set, imported, opened or written is there for
 * the next. Runs are one after another; others wait. */
export class Session {
	readonly id: string;
	readonly language: string;

	constructor(
		private readonly client: Client,
		info: SessionInfo,
	) {
		this.id = info.id;
		this.language = info.language;
	}

	/** As Sandbox.run, in the session; `result` is the value of the last expression. */
	async run(code: string, options: SessionRunOptions & { signal?: AbortSignal } = {}): Promise<Result> {
		const path = `${pathOf(this.id)}/exec`;
		const answer = await this.client.ask("POST", path, execOf(code, options), secondsOf(options), options.signal);
		return resultOf(answer, options.binary);
	}

	/** As run, but what the program writes comes while it runs. */
	stream(code: string, options: SessionRunOptions & { signal?: AbortSignal } = {}): Stream {
		return this.client.stream(`${pathOf(this.id)}/exec`, execOf(code, options), options);
	}

	/** What runs gets SIGINT, as by ^C. */
	async interrupt(): Promise<void> {
		await this.client.ask("POST", `${pathOf(this.id)}/interrupt`, {});
	}

	/** Relative to where the program is, or absolute. Waits for what runs. */
	async readFile(path: string): Promise<Uint8Array> {
		const answer = await this.client.askBytes("GET", filePathOf(this.id, path));
		if (isListing(answer)) throw new ZerobootError(`${path}: a directory: listFiles has what is in it`);
		return answer.data;
	}

	/** With the directories that it lacks. */
	async writeFile(path: string, data: Content): Promise<void> {
		await this.client.askBytes("PUT", filePathOf(this.id, path), bytesOf(path, data));
	}

	async deleteFile(path: string): Promise<void> {
		await this.client.askBytes("DELETE", filePathOf(this.id, path));
	}

	/** Of a directory, in no order; without a path of that in which the program is. */
	async listFiles(path = ""): Promise<FileEntry[]> {
		const answer = await this.client.askBytes("GET", filePathOf(this.id, path));
		if (!isListing(answer)) throw new ZerobootError(`${path}: no directory`);
		return (JSON.parse(new TextDecoder().decode(answer.data)) as { entries: FileEntry[] }).entries;
	}

	/** So many sessions, at most 100, with all of this one's state, which goes on. */
	async fork(count = 1): Promise<Session[]> {
		const answer = await this.client.ask("POST", `${pathOf(this.id)}/fork`, { count });
		return infosOf(answer).map((info) => new Session(this.client, info));
	}

	/** From now on name is a language that starts from this one's state; it goes on. */
	async template(name: string): Promise<TemplateInfo> {
		return templateOf(await this.client.ask("POST", `${pathOf(this.id)}/template`, { name }));
	}

	async info(): Promise<SessionInfo> {
		return infoOf(await this.client.ask("GET", pathOf(this.id)));
	}

	/** What runs of it is cut off. */
	async delete(): Promise<void> {
		await this.client.ask("DELETE", pathOf(this.id));
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
