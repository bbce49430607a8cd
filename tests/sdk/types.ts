// What a user's TypeScript sees.
import { Sandbox, type Execution, type Result, type Session, type SessionInfo, type TemplateInfo } from "@zeroboot/sdk";

const sandbox = new Sandbox("key", "http://127.0.0.1:8080", { retries: 1 });
const one: Promise<Result> = sandbox.run("1", { language: "node", timeout: 1, files: { a: new Uint8Array() } });
const some: Execution[] = [{ code: "1", memory_mb: 100 }];
export const codes: Promise<number[]> = sandbox.runBatch(["1", ...some]).then((all) => all.map((r) => r.exit_code));
export async function texts(): Promise<string[]> {
	const found: string[] = [];
	for await (const output of sandbox.stream("1")) found.push(output.text);
	return found;
}
// @ts-expect-error: no option of that name
void sandbox.run("1", { languages: "node" });
export async function values(): Promise<(string | undefined)[]> {
	await using session: Session = await Sandbox.session({ language: "node", on_timeout: "rollback" });
	const forks: Session[] = await session.fork(2);
	const infos: SessionInfo[] = await sandbox.sessions();
	const made: TemplateInfo = await session.template("with-data");
	console.log(made.memory_mb, (await sandbox.templates()).length, await sandbox.deleteTemplate("with-data"));
	// @ts-expect-error: the language is the session's
	void session.run("1", { language: "sh" });
	for await (const output of session.stream("1", { on_timeout: "interrupt" })) console.log(output.text);
	await session.writeFile("a", new Uint8Array(1));
	const sizes: (number | undefined)[] = (await session.listFiles()).map((file) => file.size);
	console.log(sizes, (await session.readFile("a")).length);
	return [(await session.run("1", { timeout: 1 })).result, forks[0]?.id, infos[0]?.reason];
}
export const files: Promise<Uint8Array | undefined> = one.then((r) => r.files["a"]);
