// A WebSocket server and two clients, one of them Node's own.
const { WebSocketServer, WebSocket: Client } = require('/node_modules/ws');

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
  const url = `ws://127.0.0.1:${server.address().port}`;
  const client = new Client(url);
  let count = 0;
  client.on('open', () => { client.send('text'); client.send(Buffer.alloc(200000, 1)); client.ping('p'); });
  let pong;
  client.on('pong', (data) => { pong = data.toString(); });
  client.on('message', (data, binary) => {
    console.log('message', binary, binary ? data.length : data.toString());
    if (++count === 2) client.close(1000, 'done');
  });
  client.on('close', (code, reason) => {
    console.log('close', code, reason.toString(), pong);
    const own = new WebSocket(url);
    own.onopen = () => own.send('from node');
    own.onmessage = (e) => { console.log(e.data); own.close(); };
    own.onclose = (e) => { console.log(e.code, e.wasClean); server.close(() => console.log('closed')); };
  });
});
server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
