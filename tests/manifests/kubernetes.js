// kubernetes.js FILE: prints the documents of a manifest as JSON, or what is wrong with
// them by Kubernetes' own schemas. What no schema knows it looks at in no place: so a
// field that validation does not read is one that Kubernetes would not know.
const fs = require('fs');
const yaml = require('js-yaml');

function watched(value, path, unread) {
	if (value === null || typeof value !== 'object') return value;
	const inner = {};
	for (const key of Object.keys(value)) {
		inner[key] = watched(value[key], `${path}.${key}`, unread);
		if (!Array.isArray(value)) unread.add(`${path}.${key}`);
	}
	const target = Array.isArray(value) ? Object.values(inner) : inner;
	return new Proxy(target, {
		get(object, key) {
			unread.delete(`${path}.${String(key)}`);
			return object[key];
		},
	});
}

const models = (apiVersion) => require(`kubernetes-models/${apiVersion}`);
const documents = yaml.loadAll(fs.readFileSync(process.argv[2], 'utf8'));
for (const document of documents) {
	const Model = models(document.apiVersion)[document.kind];
	if (!Model) throw new Error(`no kind ${document.apiVersion} ${document.kind}`);
	const unread = new Set();
	const model = new Model({});
	Object.assign(model, watched(document, document.kind, unread));
	model.validate();
	if (unread.size) throw new Error(`unknown: ${[...unread].join(', ')}`);
}
console.log(JSON.stringify(documents));
