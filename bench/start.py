#!/usr/bin/env python3
"""From starting `serve` to the first right answer, with the templates there or, with
--images, of images alone. Usage: start.py [--rounds 20] [--images]
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from harness import free_port, serve

PROGRAMS = {"python": "print(1+1)", "node": "console.log(1+1)"}


def first_answer(language, *options):
    """Seconds until the server accepts, and until it has answered."""
    port = free_port()
    body = json.dumps({"code": PROGRAMS[language], "language": language}).encode()
    request = b"POST /v1/exec HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    started = time.monotonic()
    server = serve("--listen", f"127.0.0.1:{port}", *options, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                client = socket.create_connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                time.sleep(0.0002)
        accepted = time.monotonic() - started
        client.sendall(request)
        answer = b""
        while data := client.recv(65536):
            answer += data
        answered = time.monotonic() - started
        client.close()
        assert b'"stdout":"2\\n"' in answer, answer
        return accepted, answered
    finally:
        server.terminate()
        server.wait()


def first_answer_of_image(language):
    with tempfile.TemporaryDirectory(dir="build") as folder:
        os.link(f"build/{language}.img", f"{folder}/{language}.img")
        return first_answer(language, "--templates", folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--images", action="store_true")
    options = parser.parse_args()
    rounds, measure = options.rounds, first_answer_of_image if options.images else first_answer
    print(f"{'ms, of ' + str(rounds) + ' starts':28}{'median':>8}{'p90':>8}{'worst':>8}")
    for language in PROGRAMS:
        times = sorted(zip(*(measure(language) for _ in range(rounds))))
        for what, values in zip(("accepts", "first answer"), times):
            values = sorted(1000 * v for v in values)
            print(f"{language + ': ' + what:28}{statistics.median(values):8.1f}{values[rounds * 9 // 10]:8.1f}{values[-1]:8.1f}")


if __name__ == "__main__":
    main()
