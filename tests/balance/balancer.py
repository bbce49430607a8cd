"""HAProxy and nginx with the configurations of deploy/, as they stand there but for
what a test must have of its own."""
import pathlib
import socket
import subprocess

from harness import PATIENCE, TOP, answers, eventually, receive

NET = "10.0.0."  # where the servers of both configurations are


class Balancer:
    """Use with `with`; it takes connections then. net: where its servers are."""
    port = 8000

    def __init__(self, folder, net=NET):
        self.folder, self.net = pathlib.Path(folder), net
        self.log = open(self.folder / f"{self.name}.log", "w")
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.command()],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        eventually(self.takes_connections)

    def configuration(self, file):
        text = (TOP / "deploy" / file).read_text()
        assert text.count(NET) == 6, f"{file}: other servers"
        return text.replace(NET, self.net)

    def takes_connections(self):
        assert self.process.poll() is None, (self.folder / f"{self.name}.log").read_text()
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def ask(self, request):
        """The answer to one request that closes its connection."""
        with self.connect() as s:
            s.sendall(request)
            [answer] = answers(receive(s))
            return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.log.close()


class HAProxy(Balancer):
    name = "haproxy"

    def command(self):
        own, ours = self.folder / "global.cfg", self.folder / "haproxy.cfg"
        self.socket = self.folder / "haproxy.sock"
        own.write_text(f"global\n\tstats socket {self.socket} level admin\n\tlog stderr local0 warning\n")
        ours.write_text(self.configuration("haproxy.cfg"))
        return ["haproxy", "-db", "-f", own, "-f", ours]

    def order(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(str(self.socket))
            s.sendall(line.encode() + b"\n")
            return receive(s).decode()

    def state(self, server):
        """As its list of servers has it: UP, DOWN, DRAIN, with how often it was looked at in between."""
        [line] = [line for line in self.order("show stat").splitlines() if line.startswith(f"runs,{server},")]
        return line.split(",")[17]


class Nginx(Balancer):
    name, port = "nginx", 8001

    def command(self):
        ours = self.folder / "zeroboot.conf"
        text = self.configuration("nginx.conf")
        assert text.count("listen 8000;") == 1
        ours.write_text(text.replace("listen 8000;", f"listen {self.port};"))
        temporary = "".join(f"\t{kind}_temp_path {self.folder}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        main = self.folder / "nginx.conf"
        main.write_text(f"daemon off;\nuser root;\npid {self.folder}/nginx.pid;\nerror_log stderr warn;\n"
                        f"events {{}}\nhttp {{\n\taccess_log off;\n{temporary}\tinclude {ours};\n}}\n")
        return ["nginx", "-e", "stderr", "-p", self.folder, "-c", main]
