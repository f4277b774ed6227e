"""A failed attempt: its retry class, and a sentence about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from agentbatch.model.answer.answer import CutError, GarbageError, RefusedError
from agentbatch.model.failures.retry import classify
from agentbatch.model.http.errors import (
    DisconnectedError,
    RequestTimeoutError,
    TransportError,
    UnreachedError,
)
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.limits.quota import QUOTA_FROM
from agentbatch.model.refusals.server_error import ServerError, read_error, tidy
from agentbatch.model.reply import ErrorKind
from agentbatch.model.stream.sse import unwrapped


@dataclass(frozen=True)
class Failure:
    kind: ErrorKind
    words: str
    """What went wrong in short, as the server or the system put it; not yet redacted."""
    error: ServerError | None = None
    """None: no answer, or one that could not be read."""
    wait: float | None = None
    """Seconds that the server asks us to wait; None: it does not say."""
    guessed: bool = False
    """`wait` is our own: the server says that a quota is used up, and not until when."""
    silent: bool = False
    """It timed out before an answer arrived."""
    stale: bool = False
    """A connection that was kept broke at once: the request most likely never arrived."""
    unreached: Literal["", "endpoint", "proxy"] = ""
    """What there was no connection to."""

    @property
    def status(self) -> int | None:
        """None: no answer came, or none that could be read."""
        return self.error.status if self.error is not None else None


NoAnswer = TransportError | CutError | GarbageError | RefusedError
"""What sending a request and reading its answer raise."""


def failure_of(error: NoAnswer, now: float) -> Failure:
    """Of a request that got no answer, or a 200 that is none. `now`: seconds since the epoch."""
    if isinstance(error, RefusedError):
        return _failure(error.error, {}, now)
    if isinstance(error, GarbageError):
        return unanswered(f"a 200 that is {error}")
    if isinstance(error, UnreachedError):
        return unreached(str(error), proxy=error.proxy)
    stale = isinstance(error, DisconnectedError) and error.stale
    return unanswered(str(error), silent=isinstance(error, RequestTimeoutError), stale=stale)


def http_failure(answer: HttpAnswer, now: float) -> Failure:
    """An answer that is not a 200. `now`: seconds since the epoch."""
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "nowhere")
        error = ServerError(
            answer.status, f"it redirects to {target}: set the endpoint's address to the final one"
        )
    else:
        error = read_error(answer.status, unwrapped(answer.body))
    return _failure(error, answer.headers, now)


def refused(error: ServerError, now: float) -> Failure:
    """An error inside a 200."""
    return _failure(error, {}, now)


def _failure(error: ServerError, headers: Mapping[str, str], now: float) -> Failure:
    from agentbatch.model.refusals.waits import asked_wait, next_look

    kind, wait = classify(error), asked_wait(headers, error.fields, error.message, now)
    look = next_look(error.message) if kind == "rate" and wait is None else None
    wait = look if wait is None else wait
    if kind == "rate" and wait is not None and wait >= QUOTA_FROM:
        kind = "quota"
    return Failure(kind, error.message or error.code, error, wait, guessed=look is not None)


def unreached(words: str, *, proxy: bool) -> Failure:
    """No connection to the endpoint, or to its proxy."""
    return Failure("transient", words, unreached="proxy" if proxy else "endpoint")


def unanswered(words: str, *, silent: bool = False, stale: bool = False) -> Failure:
    """No answer in time (`silent`), a connection that was gone (`stale`), or an unusable answer."""
    return Failure("transient", words, silent=silent, stale=stale)


def sentence(
    failure: Failure, host: str, model: str, redact: Callable[[str], str], attempts: int | None = None
) -> str:
    """One sentence for a person: endpoint, model, status, the server's own words; the attempts if several."""
    status = failure.status
    tried = f" (after {attempts} attempts)" if attempts is not None and attempts > 1 else ""
    outcome = f"answered {status}" if status is not None and status != 200 else "gave no usable answer"
    words = tidy(redact(failure.words)).rstrip(".")
    if failure.unreached:
        return f"{words[:1].upper()}{words[1:]}{tried}."
    return f"{host} {outcome} for model {tidy(redact(model), 100)}{tried}{': ' + words if words else ''}."
