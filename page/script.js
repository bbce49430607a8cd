'use strict';
const $ = (id) => document.getElementById(id);
const editor = $('code'), log = $('log');
const make = (name, props, ...inner) => {
	const e = Object.assign(document.createElement(name), props);
	e.append(...inner);
	return e;
};

// ---- languages ----

const FAMILIES = {
	python: {
		tab: 4,
		rules: /(#.*)|("""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|[rbf]*"(?:\\.|[^"\\\n])*"?|[rbf]*'(?:\\.|[^'\\\n])*'?)|\b(and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|match|None|not|or|pass|raise|return|True|False|try|while|with|yield)\b|\b(\d[\w.]*)/g,
		examples: {
			'Hello': `import sys

print("Hello from Python", sys.version.split()[0])
print("in a machine of its own")
`,
			'A picture': `# Mandelbrot's set, as a bitmap made by hand
import numpy as np, struct

h, w = 360, 540
y, x = np.mgrid[-1.2:1.2:h * 1j, -2.4:1.2:w * 1j]
c, z, n = x + 1j * y, np.zeros((h, w), complex), np.zeros((h, w))
for i in range(50):
    z = np.where(abs(z) < 4, z * z + c, z)
    n += abs(z) < 4
t = (n / n.max())[..., None]
bgr = (255 * np.clip([0.5, 0.9, 1.7] * t ** [1.6, 0.9, 0.5], 0, 1)).astype(np.uint8)
bgr[n == n.max()] = 18
head = struct.pack("<2s6I2H6I", b"BM", 54 + bgr.size, 0, 54, 40, w, h, 1, 24, *[0] * 6)
with open("mandelbrot.bmp", "wb") as f:
    f.write(head + bgr.tobytes())
print(f"{w} x {h}, {bgr.size:,} bytes")
`,
			'Tables': `import pandas as pd

cities = pd.DataFrame({"city": ["Oslo", "Lima", "Cairo", "Osaka"],
                       "people": [709, 10092, 10100, 2753]})
print(cities.sort_values("people", ascending=False).to_string(index=False))
`,
			'As it comes': `import sys, time

for i in range(5, 0, -1):
    print(i, "...")
    time.sleep(0.5)
print("and this is standard error", file=sys.stderr)
`,
		},
	},
	node: {
		tab: 2,
		rules: /(\/\/.*|\/\*[^]*?(?:\*\/|$))|(`(?:\\[^]|[^`\\])*`?|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)|\b(async|await|break|case|catch|class|const|continue|default|delete|do|else|export|extends|false|finally|for|from|function|if|import|in|instanceof|let|new|null|of|return|static|super|switch|this|throw|true|try|typeof|undefined|var|void|while|yield)\b|\b(\d[\w.]*)/g,
		examples: {
			'Hello': `console.log('Hello from Node.js', process.version);
console.log([1, 2, 3, 5, 8].map((n) => n ** 2));
`,
			'A server and a client': `const http = require('http');

const server = http.createServer((request, response) => response.end('You asked for ' + request.url));
server.listen(0, async () => {
  const { port } = server.address();
  const answer = await fetch(\`http://localhost:\${port}/hello\`);
  console.log(answer.status, await answer.text());
  server.close();
});
`,
		},
	},
	sh: {
		tab: 4,
		rules: /((?:^|(?<=\s))#.*)|("(?:\\[^]|[^"\\])*"?|'[^']*'?)|\b(case|do|done|elif|else|esac|exit|export|fi|for|function|if|in|local|read|return|set|then|until|while)\b|(\$\w+|\$\{[^}]*\}?)/gm,
		examples: {
			'Hello': `echo "Hello from bash $BASH_VERSION on $(uname -sr)"
seq 12 | xargs -P 4 -I{} sh -c 'echo $(( {} * {} ))' | sort -n | paste -sd' '
`,
		},
	},
};
const OTHER = { tab: 4, examples: {} };

const familyOf = (name) => FAMILIES[Object.keys(FAMILIES).find((f) => name.startsWith(f))] || OTHER;
let language = '', key = sessionStorage.getItem('key') || '';
const drafts = JSON.parse(sessionStorage.getItem('drafts') || '{}');
const sessions = JSON.parse(sessionStorage.getItem('sessions') || '{}'); // their ids

function choose(name) {
	language = name;
	const family = familyOf(name), names = Object.keys(family.examples);
	$('examples').replaceChildren(make('option', { value: '' }, 'Examples'), ...names.map((n) => make('option', {}, n)));
	$('examples').hidden = !names.length;
	editor.style.tabSize = $('paint').style.tabSize = family.tab;
	editor.value = drafts[name] ?? family.examples[names[0]] ?? '';
	editor.scrollTo(0, 0);
	paint();
	hold(name, sessions[name]);
}

// The state of a language is in this session, or in none.
function hold(name, id) {
	sessions[name] = id;
	sessionStorage.setItem('sessions', JSON.stringify(sessions));
	$('forget').hidden = !$('stay').checked || !sessions[language];
}

function keep() {
	drafts[language] = editor.value;
	sessionStorage.setItem('drafts', JSON.stringify(drafts));
	sessionStorage.setItem('language', language);
}

async function askHealth() {
	const says = $('health');
	let text = 'no server';
	try {
		const { status, templates } = await (await fetch('v1/health')).json();
		const names = Object.keys(templates), last = sessionStorage.getItem('language');
		if (!language) {
			choose([last, 'python', ...names].find((name) => names.includes(name)) || '');
			$('langs').append(...names.map((name) => make('label', {},
				make('input', { type: 'radio', name: 'language', value: name, checked: name === language }), make('span', {}, name))));
		}
		text = status === 'ok' ? 'ready' : `not ready: ${names.filter((n) => !templates[n].ready).join(', ')}`;
	} catch {}
	says.className = text === 'ready' ? 'ok' : 'bad';
	says.textContent = text;
	if (text !== 'ready') setTimeout(askHealth, 2000);
}

// ---- the editor ----

function paint() {
	const { rules } = familyOf(language), text = editor.value, parts = [];
	let at = 0;
	for (const m of rules && text.length < 60000 ? text.matchAll(rules) : []) {
		const kind = ['', 'em', 'i', 'b', 'u'][m.findIndex((g, i) => i && g !== undefined)];
		parts.push(text.slice(at, m.index), make(kind, {}, m[0]));
		at = m.index + m[0].length;
	}
	$('paint').replaceChildren(...parts, `${text.slice(at)}\n`);
	$('numbers').textContent = text.split('\n').map((_, i) => i + 1).join('\n');
	follow();
}

function follow() {
	$('paint').style.transform = `translate(${-editor.scrollLeft}px, ${-editor.scrollTop}px)`;
	$('numbers').style.transform = `translateY(${-editor.scrollTop}px)`;
}

// Can be undone.
const type = (text) => document.execCommand('insertText', false, text);
let leaving = false; // Esc was the last key: Tab goes on to what comes next

function pressed(e) {
	if (e.key === 'Tab' && !leaving && !e.ctrlKey && !e.altKey && !e.metaKey) {
		const { value, selectionStart: from, selectionEnd: to } = editor;
		const first = value.lastIndexOf('\n', from - 1) + 1, step = ' '.repeat(familyOf(language).tab);
		e.preventDefault();
		if (from === to && !e.shiftKey) {
			type(step.slice((from - first) % step.length));
		} else {
			const old = value.slice(first, to);
			const now = e.shiftKey ? old.replace(new RegExp(`^ {1,${step.length}}`, 'gm'), '') : old.replace(/^(?=.)/gm, step);
			editor.setSelectionRange(first, to);
			if (now !== old) type(now);
			if (from !== to) editor.setSelectionRange(first, first + now.length);
		}
	} else if (e.key === 'Enter' && !e.ctrlKey && !e.metaKey && !e.isComposing) {
		const line = editor.value.slice(0, editor.selectionStart).split('\n').pop();
		const more = /[:{[(]$/.test(line) ? ' '.repeat(familyOf(language).tab) : '';
		e.preventDefault();
		type(`\n${/^[ \t]*/.exec(line)[0]}${more}`);
	}
	leaving = e.key === 'Escape' || (leaving && e.key === 'Shift');
}

// ---- files ----

const given = new Map();
const size = (n) => (n < 1024 ? `${n} B` : n < 1 << 20 ? `${(n / 1024).toFixed(1)} KB` : `${(n / (1 << 20)).toFixed(1)} MB`);

function listFiles() {
	$('given').replaceChildren(...[...given].map(([name, file]) => make('li', {}, make('span', {}, name), make('small', {}, size(file.size)),
		make('button', { className: 'quiet', type: 'button', ariaLabel: `Remove ${name}`, onclick: () => {
			given.delete(name);
			listFiles();
			$('add').focus();
		} }, 'Remove'))));
	$('given-badge').textContent = given.size || '';
}

function addFiles(files) {
	for (const file of files) given.set(file.name, file);
	$('more').open = true;
	listFiles();
}

const base64 = (blob) => new Promise((done, failed) => {
	const reader = new FileReader();
	reader.onload = () => done(reader.result.slice(reader.result.indexOf(',') + 1));
	reader.onerror = () => failed(reader.error);
	reader.readAsDataURL(blob);
});

// ---- what comes out ----

const SHOWN = 5e5; // characters
let shown = 0, urls = [], following = false;

function print(stream, text) {
	const last = log.lastElementChild;
	if (!text || shown > SHOWN) return;
	if (!following) {
		following = true; // once a frame
		const down = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
		requestAnimationFrame(() => {
			following = false;
			if (down) log.scrollTop = log.scrollHeight;
		});
	}
	shown += text.length;
	if (shown > SHOWN) text += '\n(the rest is not shown)';
	if (last?.className === stream) last.firstChild.appendData(text);
	else log.append(make('span', { className: stream }, text));
}

const note = (text) => log.append(make('span', { className: 'say' }, text));

function clear() {
	log.replaceChildren();
	$('files').replaceChildren();
	$('figures').hidden = $('share').hidden = $('copy').hidden = true;
	urls.forEach(URL.revokeObjectURL);
	urls = [];
	shown = 0;
}

function state(text, kind = '') {
	$('state').textContent = text;
	$('state').className = kind;
}

const figure = (name, n, unit = 'ms') => make('div', {}, make('dt', {}, name),
	make('dd', {}, n.toFixed(n < 10 ? 2 : n < 1000 ? 1 : 0), ' ', make('small', {}, unit)));

function account(r) {
	const rest = Math.max(r.total_time_ms - r.fork_time_ms - r.exec_time_ms, 0);
	$('share').replaceChildren(...[r.fork_time_ms, r.exec_time_ms, rest].map((t) => make('i', { style: `flex-grow: ${t}` })));
	$('figures').replaceChildren(figure('Fork', r.fork_time_ms), figure('Run', r.exec_time_ms), figure('Total', r.total_time_ms),
		figure('CPU', r.usage.cpu_ms), figure('Memory', r.usage.peak_memory_mb, 'MB'));
	$('figures').hidden = $('share').hidden = false;
}

const IMAGES = { png: 'png', jpg: 'jpeg', jpeg: 'jpeg', gif: 'gif', webp: 'webp', bmp: 'bmp', svg: 'svg+xml' };

function bring(files) {
	for (const [path, content] of Object.entries(files)) {
		const kind = IMAGES[path.split('.').pop().toLowerCase()];
		const bytes = typeof content === 'string' ? content : Uint8Array.from(atob(content.base64), (c) => c.charCodeAt(0));
		const blob = new Blob([bytes], { type: kind ? `image/${kind}` : 'application/octet-stream' });
		const url = URL.createObjectURL(blob), name = path.split('/').pop();
		urls.push(url);
		$('files').append(make('figure', {}, ...(kind ? [make('img', { src: url, alt: `The picture ${path}` })] : []),
			make('figcaption', {}, make('a', { href: url, download: name }, path), make('small', {}, size(blob.size)))));
	}
}

const ENDS = { ok: 'done', error: 'failed', timeout: 'out of time', out_of_memory: 'out of memory' };

function finish(r) {
	const end = r.status === 'signal' ? `ended by ${r.signal}` : ENDS[r.status] || '';
	print('stdout', r.stdout);
	print('stderr', r.stderr);
	if (r.result) print('value', r.result);
	state(r.status === 'timeout' ? end : `${end ? `${end}, ` : ''}exit code ${r.exit_code}`, r.exit_code === 0 ? 'ok' : 'bad');
	account(r);
	bring(r.files || {});
	if (!shown) note('It printed nothing.');
	for (const name of ['stdout', 'stderr']) if (r[`${name}_truncated`]) note(`\nMore of ${name} was cut.`);
	for (const warning of r.warnings || []) note(`\nWarning: ${warning}`);
	$('copy').hidden = !shown || !navigator.clipboard;
	$('copy').textContent = 'Copy';
}

// ---- running ----

async function request() {
	const body = { code: editor.value, timeout_seconds: Math.max(1, parseInt($('limit').value, 10) || 30) };
	const args = $('args').value, outputs = $('outputs').value.trim();
	if ($('stdin').value) body.stdin = $('stdin').value;
	if (args) body.args = args.replace(/\n$/, '').split('\n');
	if (outputs) body.outputs = outputs.split(/[\s,]+/).filter(Boolean);
	if (given.size) body.files = {};
	for (const [name, file] of given) body.files[name] = { base64: await base64(file) };
	return body;
}

function ask(method, path, body) {
	const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream' };
	if (key) headers.Authorization = `Bearer ${key}`;
	return fetch(`v1/${path}`, { method, headers, body: body && JSON.stringify(body), signal: running?.signal });
}

// The answer to a run, in the session of its language if state is kept.
async function send(name, body) {
	if (!$('stay').checked) return ask('POST', 'exec', { ...body, language: name });
	for (;;) {
		const old = sessions[name];
		if (!old) {
			const made = await ask('POST', 'sessions', { language: name, on_timeout: 'rollback' });
			if (!made.ok) return made;
			hold(name, (await made.json()).id);
		}
		const answer = await ask('POST', `sessions/${sessions[name]}/exec`, body);
		if (!old || ![404, 410].includes(answer.status)) return answer;
		note(`The state is gone: ${(await answer.json()).error}. It starts anew.\n`);
		hold(name);
	}
}

// Server-sent events: calls take with each one's name and data.
async function events(stream, take) {
	const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
	let text = '', piece;
	while (!(piece = await reader.read()).done) {
		const whole = (text + piece.value).split('\n\n');
		text = whole.pop();
		for (const event of whole) {
			const [, name, data] = /^event: (.*)\ndata: (.*)/m.exec(event) || [];
			if (data) take(name, JSON.parse(data));
		}
	}
}

let running = null;

async function run() {
	if (running || !language) return;
	keep();
	clear();
	state('running');
	running = new AbortController();
	document.body.classList.add('running');
	$('run').textContent = 'Stop';
	if (innerWidth < 861) $('result').scrollIntoView();
	let wrong = null;
	try {
		const answer = await send(language, await request());
		if (answer.headers.get('Content-Type')?.startsWith('text/event-stream')) {
			let ended = false;
			await events(answer.body, (name, data) => {
				if (name === 'stdout' || name === 'stderr') {
					print(name, data.text);
				} else {
					ended = true;
					if (data.error) throw new Error(data.error);
					finish(data);
				}
			});
			if (!ended) throw new Error('the answer ended too early');
		} else {
			const r = await answer.json();
			if (answer.status === 401) wrong = r.error;
			if (!answer.ok) throw new Error(`${answer.status}: ${r.error}`);
			finish(r);
		}
	} catch (e) {
		state(e.name === 'AbortError' ? 'stopped' : 'no result', 'bad');
		if (e.name !== 'AbortError') print('stderr', e.message);
	}
	running = null;
	document.body.classList.remove('running');
	$('run').textContent = 'Run';
	if (wrong) askKey(key ? `The server does not know this one (${wrong}).` : ABOUT_KEYS, !!key);
}

const ABOUT_KEYS = 'It is sent with each run, and forgotten with this tab.';

function askKey(why, bad) {
	$('ask-why').textContent = why;
	$('ask-why').className = bad ? 'wrong' : '';
	$('ask-key').value = '';
	$('key').hidden = false;
	$('ask').returnValue = '';
	$('ask').showModal();
}

// ---- what is pressed ----

$('run').onclick = () => (running ? running.abort() : run());
document.addEventListener('keydown', (e) => {
	if (e.key !== 'Enter' || !(e.ctrlKey || e.metaKey) || $('ask').open) return;
	e.preventDefault();
	run();
});
editor.addEventListener('keydown', pressed);
editor.addEventListener('input', paint);
editor.addEventListener('scroll', follow);
$('langs').onchange = (e) => {
	if (language) keep();
	choose(e.target.value);
	keep();
};
$('examples').onchange = (e) => {
	const text = familyOf(language).examples[e.target.value];
	e.target.value = '';
	if (text === undefined) return;
	editor.select();
	editor.focus();
	type(text);
	editor.setSelectionRange(0, 0);
	editor.scrollTo(0, 0);
};
$('stdin').oninput = () => { $('stdin-badge').textContent = $('stdin').value ? size(new Blob([$('stdin').value]).size) : ''; };
$('add').onclick = () => $('pick').click();
$('pick').onchange = () => {
	addFiles($('pick').files);
	$('pick').value = '';
};
$('copy').onclick = () => {
	navigator.clipboard.writeText([...log.querySelectorAll(':not(.say)')].map((e) => e.textContent).join(''));
	$('copy').textContent = 'Copied';
};
$('stay').checked = sessionStorage.getItem('stay');
$('stay').onchange = () => {
	sessionStorage.setItem('stay', $('stay').checked ? 1 : '');
	hold(language, sessions[language]);
};
$('forget').onclick = () => {
	ask('DELETE', `sessions/${sessions[language]}`).catch(() => {});
	hold(language);
	clear();
	state('forgotten');
	$('stay').focus();
};
$('key').onclick = () => askKey(ABOUT_KEYS, false);
$('ask-no').onclick = () => $('ask').close();
$('ask').onclose = () => {
	if ($('ask').returnValue !== 'use') return;
	key = $('ask-key').value;
	sessionStorage.setItem('key', key);
	run();
};
document.addEventListener('dragover', (e) => {
	e.preventDefault();
	document.body.classList.add('over');
});
document.addEventListener('dragleave', (e) => { if (!e.relatedTarget) document.body.classList.remove('over'); });
document.addEventListener('drop', (e) => {
	e.preventDefault();
	document.body.classList.remove('over');
	addFiles(e.dataTransfer.files);
});
if (/Mac|iP/.test(navigator.platform)) $('leave').firstChild.textContent = '\u2318';
askHealth();
