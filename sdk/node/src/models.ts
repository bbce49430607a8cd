// What is run, and what came of it. Names are those of the API.
import { ProtocolError } from "./errors.js";

export type Content = string | Uint8Array | ArrayBuffer;

/** What a run took: CPU time of all its processes, the most memory in use. */
export interface Usage {
	cpu_ms: number;
	peak_memory_mb: number;
	system_calls: number;
}

export interface Result {
	id: string;
	stdout: string;
	stderr: string;
	exit_code: number;
	fork_time_ms: number;
	exec_time_ms: number;
	total_time_ms: number;
	/** failed: it did not run, see `error`. */
	status: "ok" | "error" | "timeout" | "signal" | "out_of_memory" | "failed";
	signal?: string;
	usage: Usage;
	stdout_truncated: boolean;
	stderr_truncated: boolean;
	files: Record<string, Uint8Array>;
	warnings: string[];
	/** Exact where the run was asked for with `binary`. */
	stdout_bytes: Uint8Array;
	stderr_bytes: Uint8Array;
	/** In a batch: why this one did not run. */
	error?: string;
	/** In a session: the value of the last expression, as text. */
	result?: string;
}

/** What a run may have beside its code. */
export interface RunOptions {
	/** python unless said otherwise. */
	language?: string;
	/** Seconds: 30, at most 300. */
	timeout?: number;
	stdin?: Content;
	args?: readonly string[];
	env?: Readonly<Record<string, string>>;
	/** Written before the program starts. */
	files?: Readonly<Record<string, Content>>;
	/** Paths and patterns of files that come back. */
	outputs?: readonly string[];
	memory_mb?: number;
	/** stdout_bytes and stderr_bytes are what the program wrote, whatever bytes. */
	binary?: boolean;
}

/** One run of a batch that is not like the others. */
export interface Execution extends RunOptions {
	code: string;
}

/** One of the inputs of a program: arguments in place of those of all, variables and files
 * beside theirs. */
export type Input = Pick<RunOptions, "stdin" | "args" | "env" | "files">;

export interface Health {
	status: "ok" | "degraded";
	templates: Record<string, { ready: boolean; memory_mb: number; reason?: string }>;
}

const TIMEOUT = 30;
const TIMEOUT_MAX = 300; // the server takes no more

/** It takes no longer than that. */
export function secondsOf(options: RunOptions): number {
	return Math.min(options.timeout ?? TIMEOUT, TIMEOUT_MAX);
}

function encode(name: string, content: Content): string | { base64: string } {
	if (typeof content === "string") return content;
	const { buffer, byteOffset, byteLength } = bytesOf(name, content);
	return { base64: Buffer.from(buffer, byteOffset, byteLength).toString("base64") };
}

export function bytesOf(name: string, content: Content): Uint8Array {
	if (typeof content === "string") return Buffer.from(content);
	if (content instanceof ArrayBuffer) return new Uint8Array(content);
	if (ArrayBuffer.isView(content)) return content;
	throw new TypeError(`${name}: a string or bytes is wanted`);
}

export function contentsOf(files: Readonly<Record<string, Content>>): Record<string, unknown> {
	return Object.fromEntries(Object.entries(files).map(([path, data]) => [path, encode(`files: ${path}`, data)]));
}

export function inputOf(input: Content | Input): unknown {
	const isContent = typeof input === "string" || input instanceof ArrayBuffer || ArrayBuffer.isView(input);
	const { stdin, args, env, files } = isContent ? { stdin: input as Content } : (input as Input);
	return { stdin: stdin === undefined ? undefined : encode("stdin", stdin), args, env, files: files && contentsOf(files) };
}

export function requestOf(code: string, options: RunOptions): Record<string, unknown> {
	const { files } = options;
	return {
		code,
		language: options.language ?? "python",
		timeout_seconds: options.timeout ?? TIMEOUT,
		stdin: options.stdin === undefined ? undefined : encode("stdin", options.stdin),
		args: options.args,
		env: options.env,
		files: files && contentsOf(files),
		outputs: options.outputs,
		memory_mb: options.memory_mb,
		encoding: options.binary ? "base64" : undefined,
	};
}

type Wire = Partial<Omit<Result, "files">> & { files?: Record<string, string | { base64: string }> };

function decode(content: string | { base64: string }): Uint8Array {
	return typeof content === "string" ? Buffer.from(content) : Buffer.from(content.base64, "base64");
}

const nothing = (): Usage => ({ cpu_ms: 0, peak_memory_mb: 0, system_calls: 0 });

function failed(id: string, error: string): Result {
	return {
		...{ id, stdout: "", stderr: "", exit_code: -1, fork_time_ms: 0, exec_time_ms: 0, total_time_ms: 0 },
		...{ status: "failed", usage: nothing(), stdout_truncated: false, stderr_truncated: false },
		...{ files: {}, warnings: [], stdout_bytes: new Uint8Array(), stderr_bytes: new Uint8Array(), error },
	};
}

/** A run's object of an answer. */
export function resultOf(answer: unknown, binary = false): Result {
	const wire = answer as Wire | null;
	if (wire && typeof wire.error === "string") return failed(wire.id ?? "", wire.error);
	if (typeof wire !== "object" || !wire || typeof wire.exit_code !== "number")
		throw new ProtocolError("not the answer of a run");
	const out = Buffer.from(wire.stdout ?? "", binary ? "base64" : "utf8");
	const err = Buffer.from(wire.stderr ?? "", binary ? "base64" : "utf8");
	return {
		id: wire.id ?? "",
		stdout: binary ? out.toString() : (wire.stdout ?? ""),
		stderr: binary ? err.toString() : (wire.stderr ?? ""),
		exit_code: wire.exit_code,
		fork_time_ms: wire.fork_time_ms ?? 0,
		exec_time_ms: wire.exec_time_ms ?? 0,
		total_time_ms: wire.total_time_ms ?? 0,
		status: wire.status ?? (wire.exit_code === 0 ? "ok" : "error"),
		...(wire.signal === undefined ? {} : { signal: wire.signal }),
		usage: wire.usage ?? nothing(),
		stdout_truncated: wire.stdout_truncated ?? false,
		stderr_truncated: wire.stderr_truncated ?? false,
		files: Object.fromEntries(Object.entries(wire.files ?? {}).map(([path, data]) => [path, decode(data)])),
		warnings: wire.warnings ?? [],
		stdout_bytes: out,
		stderr_bytes: err,
		...(wire.result === undefined ? {} : { result: wire.result }),
	};
}
