"""Client of the zeroboot sandbox server."""
from .aio import AsyncSandbox
from .client import Sandbox
from .errors import (AnswerTimeoutError, APIError, AuthenticationError, BadRequestError, ConnectError,
                     ConnectionLostError, NotFoundError, ProtocolError, RateLimitError, ServerError, TooLargeError,
                     UnavailableError, ZerobootError)
from .models import Content, Execution, Result, Usage
from .protocol import VERSION as __version__

__all__ = [
    "APIError", "AnswerTimeoutError", "AsyncSandbox", "AuthenticationError", "BadRequestError", "ConnectError",
    "ConnectionLostError", "Content", "Execution", "NotFoundError", "ProtocolError", "RateLimitError", "Result",
    "Sandbox", "ServerError", "TooLargeError", "UnavailableError", "Usage", "ZerobootError", "__version__",
]
