// An express application and its clients in one program.
const express = require('/node_modules/express');
const http = require('http');

const app = express();
app.use(express.json());
app.get('/hello/:name', (q, r) => r.send(`hello ${q.params.name}`));
app.post('/sum', (q, r) => r.json({ sum: q.body.numbers.reduce((a, b) => a + b, 0) }));
app.use('/files', express.static('/tests'));
app.use((e, q, r, next) => r.status(500).send('broken')); // eslint-disable-line

const server = app.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  console.log(await (await fetch(`${url}/hello/you`)).text());
  const post = await fetch(`${url}/sum`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"numbers":[1,2,3]}' });
  console.log(post.status, await post.json());
  console.log((await fetch(`${url}/none`)).status, (await fetch(`${url}/sum`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' })).status);
  console.log((await (await fetch(`${url}/files/express.js`)).text()).length > 100);
  const many = await Promise.all(Array.from({ length: 30 }, (_, i) => fetch(`${url}/hello/${i}`).then((r) => r.text())));
  console.log(many.join());
  http.get(`${url}/hello/agent`, (r) => {
    console.log(r.statusCode, r.headers['x-powered-by']);
    r.resume().on('end', () => { server.close(); server.closeAllConnections(); });
  });
});
server.on('close', () => console.log('closed'));
