// An answer that comes while the program runs: server-sent events.
import { ConnectionLostError, errorOf, ProtocolError } from "./errors.js";
import { Result, resultOf } from "./models.js";

/** Some of what the program has written. */
export interface Output {
	stream: "stdout" | "stderr";
	text: string;
	/** Exact where the run was asked for with `binary`. */
	data: Uint8Array;
}

/** Is fed what comes, and gives the events that are whole: name and data (HTML, 9.2.6). */
export class EventParser {
	private readonly decoder = new TextDecoder();
	private text = "";
	private name = "";
	private data: string[] = [];

	*feed(bytes: Uint8Array): Generator<[string, string]> {
		const lines = (this.text + this.decoder.decode(bytes, { stream: true })).split("\n");
		this.text = lines.pop() ?? "";
		for (const line of lines)
			for (const part of line.replace(/\r$/, "").split("\r")) {
				const event = this.takeLine(part);
				if (event) yield event;
			}
	}

	private takeLine(line: string): [string, string] | undefined {
		if (line === "") {
			const event: [string, string] = [this.name || "message", this.data.join("\n")];
			const any = this.data.length > 0;
			this.name = "";
			this.data = [];
			return any ? event : undefined;
		}
		const colon = line.indexOf(":");
		const name = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
		if (name === "event") this.name = value;
		else if (name === "data") this.data.push(value);
		return undefined;
	}
}

function outputOf(stream: Output["stream"], value: { text?: string; base64?: string }): Output {
	const data = value.text === undefined ? Buffer.from(value.base64 ?? "", "base64") : Buffer.from(value.text);
	return { stream, text: value.text ?? data.toString(), data };
}

/** The same, as what a run has written, and at last its result. */
export class RunReader {
	private readonly parser = new EventParser();
	private ended = false;

	constructor(private readonly binary: boolean) {}

	*feed(bytes: Uint8Array): Generator<Output | Result> {
		for (const [name, text] of this.parser.feed(bytes)) {
			let value;
			try {
				value = JSON.parse(text);
			} catch (cause) {
				throw new ProtocolError(`not an event of a run: ${text.slice(0, 100)}`, { cause });
			}
			if (name === "stdout" || name === "stderr") yield outputOf(name, value);
			else if (name === "error") throw errorOf(500, String(value.error));
			else if (name === "result") {
				this.ended = true;
				yield resultOf(value, this.binary);
			}
		}
	}

	/** The answer is at its end. */
	end(): void {
		if (!this.ended) throw new ConnectionLostError("the answer ended before the run's result");
	}
}

/** What a run writes, as it comes: for `for await`. The run begins with the first step;
 * leaving the loop ends it. */
export class Stream implements AsyncIterable<Output> {
	/** How it ended, once all has come: without what was written. */
	result?: Result;

	constructor(private readonly items: AsyncGenerator<Output | Result, void>) {}

	async *[Symbol.asyncIterator](): AsyncGenerator<Output, void> {
		for await (const item of this.items) {
			if ("stream" in item) yield item;
			else this.result = item;
		}
	}
}
