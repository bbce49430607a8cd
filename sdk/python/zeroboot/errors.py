"""What can go wrong. Who wants to know whether the code may have run asks which of
these it was: after APIError (but ServerError and SessionDeletedError) and ConnectError it
has not."""
from __future__ import annotations

from typing import Dict, Optional, Type


class ZerobootError(RuntimeError):
    """Any error of this package."""


class APIError(ZerobootError):
    """The server has refused the request."""

    def __init__(self, status: int, message: str, retry_after: Optional[float] = None) -> None:
        super().__init__(f"API error ({status}): {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after  # seconds


class BadRequestError(APIError):
    """400: a field is wrong, a language unknown."""


class AuthenticationError(APIError):
    """401: no key, or not one of the server's."""


class NotFoundError(APIError):
    """404, 405: there is no such session; or base_url leads to something else."""


class TooLargeError(APIError):
    """413: more than the server's --max-body."""


class SessionDeletedError(APIError):
    """409: the session was deleted before its run had ended."""


class NameTakenError(APIError):
    """409: a language, or another template, has the name."""


class SessionEndedError(APIError):
    """410: the session's program has ended; message says why."""


class RateLimitError(APIError):
    """429, after all retries."""


class ServerError(APIError):
    """500 and above: the run may have begun."""


class UnavailableError(ServerError):
    """503, after all retries: the server is full or ends. Nothing has run."""


class SessionTooLargeError(ServerError):
    """507: the session, or all of them, would be too large. It is as it was before."""


class ConnectError(ZerobootError):
    """No connection. Nothing has run."""


class ConnectionLostError(ZerobootError):
    """The connection ended before the answer. It is not known whether the code ran,
    so it is not run again."""


class AnswerTimeoutError(ZerobootError):
    """No answer in the run's own time and `patience` beyond it. The run is given up."""


class ProtocolError(ZerobootError):
    """What answered is not a zeroboot server."""


_BY_STATUS: Dict[int, Type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    404: NotFoundError,
    405: NotFoundError,
    409: SessionDeletedError,
    410: SessionEndedError,
    413: TooLargeError,
    429: RateLimitError,
    503: UnavailableError,
    507: SessionTooLargeError,
}


def error_of(status: int, message: str, retry_after: Optional[float] = None) -> APIError:
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else APIError)
    if status == 409 and message.startswith("name:"):
        kind = NameTakenError
    return kind(status, message, retry_after)
