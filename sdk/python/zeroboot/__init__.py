"""Client of the zeroboot sandbox server."""
from .aio import AsyncSandbox, AsyncStream
from .client import Sandbox, Stream
from .errors import (AnswerTimeoutError, APIError, AuthenticationError, BadRequestError, ConnectError,
                     ConnectionLostError, NotFoundError, ProtocolError, RateLimitError, ServerError, TooLargeError,
                     UnavailableError, ZerobootError)
from .events import Output
from .models import Content, Execution, Result, Usage
from .protocol import VERSION as __version__

__all__ = [
    "APIError", "AnswerTimeoutError", "AsyncSandbox", "AsyncStream", "AuthenticationError", "BadRequestError", "ConnectError",
    "ConnectionLostError", "Content", "Execution", "NotFoundError", "Output", "ProtocolError", "RateLimitError", "Result",
    "Sandbox", "ServerError", "Stream", "TooLargeError", "UnavailableError", "Usage", "ZerobootError", "__version__",
]
