#!/usr/bin/env python3
"""deploy/grafana.json and deploy/alerts.yml against a server: Prometheus scrapes it,
and every query of the dashboard has something to show."""
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from harness import PATIENCE, TOP, Report, Server, eventually, free_port, post

DASHBOARD, ALERTS = TOP / "deploy/grafana.json", TOP / "deploy/alerts.yml"
ALERT_TESTS = TOP / "tests/monitor/alerts_test.yml"
OURS = re.compile(r"\bzeroboot_[a-z_]+\b")
COLUMNS = 24  # of a dashboard


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def queries():
    """Panel's title and expression, the variables filled in."""
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")


def promtool(*words):
    done = subprocess.run(["promtool", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def exported(server):
    """Names of series of a live server, those of a histogram's parts too."""
    text = server.ask(b"GET /v1/metrics HTTP/1.0\r\n\r\n").decode()
    return set(re.findall(r"^(?:# TYPE )?(zeroboot_\w+)", text, re.M))


def check_alerts():
    promtool("check", "rules", ALERTS)
    promtool("test", "rules", ALERT_TESTS)


def check_each_alert_fires():
    names = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    firing = re.findall(r"alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels", ALERT_TESTS.read_text())
    assert names and set(names) == set(firing), (names, firing)


def check_layout():
    """Panels have numbers of their own and do not overlap; each has a query."""
    taken, numbers = {}, [panel["id"] for panel in panels()]
    assert len(set(numbers)) == len(numbers), numbers
    for panel in panels():
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= COLUMNS, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"], (taken[x, y], panel["title"])
        assert panel["type"] == "row" or panel["targets"] and panel["datasource"]["uid"] == "${datasource}", panel["title"]


def check_names(server):
    """No query, of the dashboard or of an alert, asks for what is not there."""
    there = exported(server)
    asked = {name for _, query in queries() for name in OURS.findall(query)}
    asked |= set(OURS.findall(" ".join(re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", ALERTS.read_text()))))
    assert len(asked) > 30 and not asked - there, asked - there


class Prometheus:
    """Use with `with`. It scrapes the server twice a second."""

    def __init__(self, folder, server):
        self.port = free_port()
        with open(f"{folder}/prometheus.yml", "w") as f:
            f.write(f"global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 200ms}}\n"
                    f"rule_files: [{ALERTS}]\n"
                    f"scrape_configs:\n- job_name: zeroboot\n  metrics_path: /v1/metrics\n"
                    f"  static_configs: [{{targets: ['127.0.0.1:{server.port}']}}]\n")
        self.log = open(f"{folder}/prometheus.log", "w+")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def get(self, path, **what):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(what)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def shows(self, query):
        """Whether there is something, and a number."""
        return any(sample["value"][1] != "NaN" for sample in self.get("query", query=query)["result"])

    def is_up(self):
        assert self.process.poll() is None, open(self.log.name).read()[-1000:]
        try:
            return self.shows('up{job="zeroboot"} == 1')
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()


def check_queries(server, prometheus):
    """Each is understood, and shows something while there are runs of all sorts."""
    eventually(prometheus.is_up)

    def all_show():
        for code in "echo 1", "exit 3":
            server.ask(post({"code": code, "language": "sh"}, extra=b"Connection: close\r\n"))
        return all(prometheus.shows(query) for _, query in queries())

    try:
        eventually(all_show)
    except AssertionError:
        raise AssertionError([what for what in queries() if not prometheus.shows(what[1])]) from None


def check_rules(prometheus):
    """Prometheus takes the rules, and has nothing to say against them with live series."""
    [group] = prometheus.get("rules")["groups"]

    def all_looked_at():
        rules = prometheus.get("rules")["groups"][0]["rules"]
        return all(rule["health"] != "unknown" for rule in rules) and rules

    eventually(all_looked_at)
    bad = [(rule["name"], rule.get("lastError"), rule["state"]) for rule in all_looked_at()
           if rule["health"] != "ok" or rule["state"] == "firing"]
    assert len(group["rules"]) == ALERTS.read_text().count("- alert:") and not bad, bad


def main():
    report = Report("monitor")
    os.chdir(TOP)
    report.check("alerts: promtool takes the rules, and they fire when they should", check_alerts)
    report.check("alerts: there is a test that each fires", check_each_alert_fires)
    report.check("dashboard: panels do not overlap", check_layout)
    with tempfile.TemporaryDirectory(prefix="zeroboot-monitor-") as folder:
        os.mkdir(f"{folder}/templates")
        os.symlink(TOP / "templates/sh.zbt", f"{folder}/templates/sh.zbt")
        with Server("--workers", "1", templates=f"{folder}/templates") as server:
            report.check("every metric that is asked for is there", check_names, server)
            with Prometheus(folder, server) as prometheus:
                report.check("dashboard: every query shows something of a live server", check_queries, server, prometheus)
                report.check("alerts: Prometheus evaluates them on a live server, and none fires", check_rules, prometheus)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
