"""How a request ends without an answer, and what of that an error of aiohttp's means."""

import errno

from agentbatch.model.http.unreached import broke_off, deepest, without_user


class TransportError(Exception):
    """No answer arrived. The text says why."""


class UnreachedError(TransportError):
    """There was no connection. `proxy`: to the proxy, which is not the endpoint's fault."""

    def __init__(self, words: str, *, proxy: bool) -> None:
        super().__init__(words)
        self.proxy = proxy


class RequestTimeoutError(TransportError):
    """It timed out."""


class DisconnectedError(TransportError):
    """The server closed the connection before it began to answer. `unsent`: before anything was written to it.
    `stale`: one that had been kept, and at once: servers close connections just before they are reused (llama.cpp does
    so after streams of more than five seconds), and such a request most likely never arrived. Whoever owns the call
    sends it again, once, and counts it."""

    stale = False

    def __init__(self, words: str, *, unsent: bool) -> None:
        super().__init__(words)
        self.unsent = unsent


def broken(error: Exception, seconds: float, streams: bool, *, unsent: bool) -> TransportError:
    """What a request that broke off comes to. `seconds`: its timeout; `streams`: its answer had begun."""
    cause = _cause(error, seconds)
    if streams:
        return TransportError(f"the answer broke off: {cause}")
    return DisconnectedError(cause, unsent=unsent) if _is_disconnect(error) else TransportError(cause)


def _is_disconnect(cause: BaseException | None) -> bool:
    import aiohttp

    while cause is not None:
        if isinstance(cause, aiohttp.ServerDisconnectedError | ConnectionError):
            return True
        if isinstance(cause, OSError) and cause.errno in (errno.ECONNRESET, errno.EPIPE):
            return True
        cause = cause.__cause__
    return False


def _cause(error: BaseException, seconds: float) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):  # with a status of aiohttp's own
        return f"the answer is not valid HTTP: {without_user(' '.join(error.message.split()))}".rstrip(": ")
    cause = deepest(error)
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(cause, TimeoutError):
        return str(cause) or f"no answer within {seconds:g} s"
    return broke_off(cause)
