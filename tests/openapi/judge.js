// judge.js MODULES: of each line {document, cases: [[schema, value]...]} it says whether
// the document is one of OpenAPI 3.1, and of each value why it is not one of that schema:
// {document: null | errors, cases: [null | errors...]}.
const { createRequire } = require('module');
const path = require('path');
const readline = require('readline');

const load = createRequire(path.join(path.resolve(process.argv[2]), 'x.js'));
const Ajv = load('ajv/dist/2020').default;

// It takes what it is given apart.
async function problemOf(Validator, document) {
	const validator = new Validator();
	const of = await validator.validate(JSON.parse(JSON.stringify(document)));

	if (!of.valid) return of.errors;
	return validator.version === '3.1' ? null : `OpenAPI ${validator.version}`;
}

function judge(document, cases) {
	const ajv = new Ajv({ strict: true, strictRequired: false });

	ajv.addVocabulary(['openapi', 'info', 'servers', 'paths', 'components']);
	ajv.addSchema(document, 'api');
	return cases.map(([schema, value]) => {
		const is = ajv.getSchema(`api#/components/schemas/${schema}`);
		return is(value) ? null : ajv.errorsText(is.errors);
	});
}

async function main() {
	const { Validator } = await import(load.resolve('@seriousme/openapi-schema-validator'));

	for await (const line of readline.createInterface({ input: process.stdin })) {
		const { document, cases } = JSON.parse(line);
		const answer = { document: await problemOf(Validator, document), cases: judge(document, cases) };
		process.stdout.write(`${JSON.stringify(answer)}\n`);
	}
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});
