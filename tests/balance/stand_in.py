"""A server that has what API.md says of sessions, and nothing behind them, for the
load balancers: which of several has a session is what they must know."""
import http.server
import json
import threading
import uuid


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/v1/health":
            return self.answer(200, {"status": "ok"})
        self.session("")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        if server.refuses:
            server.refused += 1
            return self.answer(503, {"error": "the queue is full"})
        if self.path == "/v1/exec":
            return self.answer(200, {"server": server.name})
        if self.path == "/v1/sessions":
            return self.answer(201, {"language": "sh", "id": server.new(), "server": server.name})
        self.session(len(body))

    def session(self, size):
        """/v1/sessions/ID[/exec|/fork]: how often it was asked, and by how much."""
        _, _, _, name, *rest = [*self.path.split("/"), ""]
        if name not in self.server.sessions:
            return self.answer(404, {"error": "no such session"})
        if rest[0] == "fork":
            return self.answer(201, {"sessions": [{"id": self.server.new()} for _ in range(2)]})
        self.server.sessions[name] += 1
        self.answer(200, {"count": self.server.sessions[name], "server": self.server.name, "size": size})


class StandIn(http.server.ThreadingHTTPServer):
    """Use with `with`; it serves from then on."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, port):
        super().__init__((address, port), Handler)
        self.name, self.sessions, self.refuses, self.refused = address, {}, False, 0
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()

    def handle_error(self, *_):
        """A look at its health may end with a reset."""

    def new(self):
        name = str(uuid.uuid4())
        self.sessions[name] = 0
        return name

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
