# Tests with a plugin that starts a server, fixtures, processes and failures.
set -u
mkdir /tmp/project
cd /tmp/project
cat >conftest.py <<'PY'
import http.server, subprocess, sys, threading, urllib.request
import pytest

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/good" else 404)
        self.end_headers()
        self.wfile.write(self.path.encode())
    def log_message(self, *_):
        pass

class Plugin:
    def pytest_configure(self, config):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
    @pytest.fixture
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_port
    def pytest_unconfigure(self, config):
        self.server.shutdown()

def pytest_configure(config):
    plugin = Plugin()
    config.pluginmanager.register(plugin)
PY
cat >test_it.py <<'PY'
import os, subprocess, sys, urllib.error, urllib.request
import pytest

def test_server(url):
    assert urllib.request.urlopen(url + "/good").read() == b"/good"

def test_missing(url):
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url + "/bad")

def test_from_a_child(url):
    code = f"import urllib.request; print(urllib.request.urlopen('{url}/good').status)"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"200\n"

@pytest.mark.parametrize("n", range(3))
def test_many(n, tmp_path):
    (tmp_path / "x").write_text("x" * n)
    assert os.path.getsize(tmp_path / "x") == n

def test_captured(capfd):
    os.system("echo from a shell")
    assert capfd.readouterr().out == "from a shell\n"

def test_fails():
    assert [1, 2, 3] == [1, 2, 4]

@pytest.mark.skip(reason="not now")
def test_skipped():
    pass
PY
python3 -m pytest -q -p no:cacheprovider 2>&1 | sed 's/in [0-9.]*s/in a while/'
echo "exit ${PIPESTATUS:-}"
python3 -m pytest -q -x -k 'server or child' -p no:cacheprovider >/dev/null && echo passed
