"""What both clients have in common: the requests, and what answers mean."""
from __future__ import annotations

import json
import os
import random
import re
import ssl
from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence, Union

from .errors import APIError, ProtocolError, error_of
from .http1 import Answer, request_bytes, target_of
from .models import Content, Execution, Input, Result, list_of, result_of

VERSION = "0.2.0"
BASE_URL = "http://127.0.0.1:8080"
IDLE_SECONDS = 60.0  # a connection is used again; the server ends it after 75
IDLE_MAX = 16  # connections that are kept
_FIRST_WAIT = 0.25  # seconds, and twice as many each time


class Settings:
    """What a client was made with."""

    def __init__(self, api_key: Optional[str], base_url: Optional[str], patience: float, connect_timeout: float,
                 retries: int, max_retry_wait: float) -> None:
        key = api_key if api_key is not None else os.environ.get("ZEROBOOT_API_KEY")
        if key and not re.match(r"[\x21-\x7e]+\Z", key):
            raise ValueError("api_key: a character that no key has")
        self.base_url = (base_url or os.environ.get("ZEROBOOT_BASE_URL") or BASE_URL).rstrip("/")
        self.target = target_of(self.base_url)
        self.tls = ssl.create_default_context() if self.target.tls else None
        self.patience = patience
        self.connect_timeout = connect_timeout
        self.retries = retries
        self.max_retry_wait = max_retry_wait
        self.headers = {"User-Agent": f"zeroboot-python/{VERSION}", "Accept": "application/json"}
        if key:
            self.headers["Authorization"] = f"Bearer {key}"

    def request(self, method: str, path: str, body: Any = None) -> bytes:
        """body: bytes as they are, anything else as JSON."""
        if body is None:
            return request_bytes(self.target, method, path, self.headers, None)
        raw = isinstance(body, bytes)
        data = body if raw else json.dumps(body, separators=(",", ":")).encode("ascii")
        kind = "application/octet-stream" if raw else "application/json"
        return request_bytes(self.target, method, path, {**self.headers, "Content-Type": kind}, data)

    def wait_before(self, attempt: int, error: APIError) -> Optional[float]:
        """How long before it is asked once more; None: it is not. Only of answers
        that say that nothing has run."""
        if error.status not in (429, 503) or attempt >= self.retries:
            return None
        wait = error.retry_after if error.retry_after is not None else _FIRST_WAIT * (1 << attempt)
        if wait > self.max_retry_wait:
            return None
        return wait + random.uniform(0, _FIRST_WAIT + wait / 4)


def executions_of(codes: Sequence[Union[str, Execution]], template: Execution) -> List[Execution]:
    """Those of a batch; a string is run as the template says."""
    return [code if isinstance(code, Execution) else replace(template, code=code) for code in list_of("codes", codes)]


def inputs_of(execution: Execution, inputs: Sequence[Union[Content, Input]]) -> Dict[str, Any]:
    """The request of a program over many inputs."""
    all_ = [one if isinstance(one, Input) else Input(one) for one in list_of("inputs", inputs)]
    return {**execution.to_json(), "inputs": [one.to_json() for one in all_]}


def check(answer: Answer, body: bytes) -> None:
    """Raises what an answer that is not 2xx says."""
    if 200 <= answer.status < 300:
        return
    try:
        message = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        message = body[:200].decode("utf-8", "replace").strip() or "no reason given"
    after = answer.headers.get("retry-after", "")
    raise error_of(answer.status, message, float(after) if re.match(r"\d{1,9}$", after) else None)


def is_stream(answer: Answer) -> bool:
    return answer.status == 200 and answer.headers.get("content-type", "").startswith("text/event-stream")


def decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as e:
        raise ProtocolError("the answer is not JSON") from e


def results_of(body: bytes, executions: Sequence[Execution]) -> List[Result]:
    answer = decode(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise ProtocolError("not the answer of a batch")
    results = answer["results"]
    if len(results) != len(executions):
        raise ProtocolError(f"{len(results)} results of {len(executions)} runs")
    return [result_of(result, execution.binary) for result, execution in zip(results, executions)]


def health_of(answer: Answer, body: bytes) -> Dict[str, Any]:
    """503 is an answer, too: not every template is ready."""
    if answer.status != 503:
        check(answer, body)
    health = decode(body)
    if not isinstance(health, dict) or "templates" not in health:
        raise ProtocolError("not the answer of a zeroboot server")
    return health
