"""Client of the zeroboot sandbox server."""
from .aio import AsyncSandbox, AsyncStream
from .aio_session import AsyncSession
from .client import Sandbox, Stream
from .errors import (AnswerTimeoutError, APIError, AuthenticationError, BadRequestError, ConnectError,
                     ConnectionLostError, NameTakenError, NotFoundError, ProtocolError, RateLimitError, ServerError,
                     SessionDeletedError, SessionEndedError, SessionTooLargeError, TooLargeError, UnavailableError,
                     ZerobootError)
from .events import Output
from .models import Content, Execution, Input, Result, Usage
from .protocol import VERSION as __version__
from .session import FileEntry, Session, SessionInfo, TemplateInfo

__all__ = [
    "APIError", "AnswerTimeoutError", "AsyncSandbox", "AsyncSession", "AsyncStream", "AuthenticationError", "BadRequestError",
    "ConnectError", "ConnectionLostError", "Content", "Execution", "FileEntry", "Input", "NameTakenError", "NotFoundError", "Output", "ProtocolError", "RateLimitError",
    "Result", "Sandbox", "ServerError", "Session", "SessionDeletedError", "SessionEndedError", "SessionInfo",
    "SessionTooLargeError", "Stream", "TemplateInfo", "TooLargeError", "UnavailableError", "Usage", "ZerobootError", "__version__",
]
