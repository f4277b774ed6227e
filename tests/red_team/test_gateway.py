"""Requests of a hostile agent at the gateway, byte for byte: none reaches more than its own account, or costs more."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agentbatch.rehearsal.script import Say, Script
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.gateways import Desk
from tests.support.waiting import PATIENCE

BODY = json.dumps({"model": "any", "messages": [{"role": "user", "content": "Write hello.py"}]}).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\n"
MESSAGES = b"POST /v1/messages HTTP/1.1\r\n"
GET = b"GET /v1/models HTTP/1.1\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CLOSE = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
WHOLE = LENGTH + CLOSE + b"\r\n" + BODY
UTF16 = BODY.decode().encode("utf-16")


def to(path: bytes, method: bytes = b"POST") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n@" + WHOLE


class Attempt(NamedTuple):
    """`@` in `sent` stands for the account's own headers, `&` for another account's token."""

    sent: bytes
    statuses: str
    """Of the answers, in order."""
    calls: int = 0
    """That reach the endpoint."""


FAMILIES: dict[str, dict[str, Attempt]] = {
    "smuggled": {
        "length and chunks": Attempt(POST + b"@" + LENGTH + CHUNKED + CLOSE + b"\r\n0\r\n\r\n" + POST + b"\r\n", "400"),
        "an unknown coding": Attempt(POST + b"@Transfer-Encoding: xchunked\r\n" + WHOLE, "400"),
        "chunks, and no coding": Attempt(
            POST + b"@Transfer-Encoding: chunked, identity\r\n" + CLOSE + b"\r\n" + CHUNK, "400"
        ),
        "a coding of its own": Attempt(POST + b"@Transfer-Encoding: gzip\r\n" + WHOLE, "400"),
        "a tab before it": Attempt(POST + b"@Transfer-Encoding:\tchunked\r\n" + CLOSE + b"\r\n" + CHUNK, "200", 1),
        "a space before the colon": Attempt(POST + b"@Transfer-Encoding : chunked\r\n" + WHOLE, "400"),
        "a length twice": Attempt(POST + b"@" + LENGTH + WHOLE, "400"),
        "two lengths": Attempt(POST + b"@Content-Length: 5\r\n" + WHOLE, "400"),
        "a list of lengths": Attempt(POST + b"@Content-Length: 5, 5\r\n\r\n" + BODY, "400"),
        "a length with a sign": Attempt(POST + b"@Content-Length: +5\r\n\r\n" + BODY, "400"),
        "a length in hex": Attempt(POST + b"@Content-Length: 0x10\r\n\r\n" + BODY, "400"),
        "a huge length": Attempt(POST + b"@Content-Length: 99999999999999999999999\r\n\r\n" + BODY, "400"),
        "a request behind a short one": Attempt(
            POST + b"@Content-Length: 2\r\n\r\n{}" + POST + b"@" + WHOLE, "400 200", 2
        ),
        "three at once": Attempt((POST + b"@" + LENGTH + b"\r\n" + BODY) * 2 + POST + b"@" + WHOLE, "200 200 200", 3),
        "one with a token, one without": Attempt(
            POST + b"@" + LENGTH + b"\r\n" + BODY + POST + b"Host: $\r\n" + WHOLE, "200 401", 1
        ),
    },
    "chunks": {
        "a negative one": Attempt(POST + b"@" + CHUNKED + CLOSE + b"\r\n-1\r\n" + BODY + b"\r\n0\r\n\r\n", "400"),
        "ends of lines alone": Attempt(POST + b"@" + CHUNKED + CLOSE + b"\r\n" + CHUNK.replace(b"\r", b""), "400"),
        "with words behind its size": Attempt(
            POST + b"@" + CHUNKED + CLOSE + b"\r\n" + CHUNK.replace(b"\r\n", b";a=b\r\n", 1), "200", 1
        ),
        "with headers at the end": Attempt(
            POST + b"@" + CHUNKED + CLOSE + b"\r\n" + CHUNK[:-2] + b"Host: evil\r\nAuthorization: x\r\n\r\n", "400"
        ),
        "no number": Attempt(POST + b"@" + CHUNKED + CLOSE + b"\r\nzz\r\n", "400"),
    },
    "headers": {
        "with ends of lines alone": Attempt((POST + b"@").replace(b"\r", b"") + b"Connection: close\n\n", "400"),
        "with a zero": Attempt(POST + b"@X: a\0b\r\n" + WHOLE, "400"),
        "with a return": Attempt(POST + b"@X: a\rb\r\n" + WHOLE, "400"),
        "folded": Attempt(MESSAGES + b"@anthropic-beta: a\r\n X-Evil: 1\r\n" + WHOLE, "400"),
        "two hosts": Attempt(POST + b"@Host: evil.example\r\n" + WHOLE, "400"),
        "no text": Attempt(MESSAGES + b"@anthropic-beta: \xff\xfe\r\n" + WHOLE, "200", 1),
        "very long": Attempt(MESSAGES + b"@anthropic-version: " + b"a" * 7000 + b"\r\n" + WHOLE, "200", 1),
        "for a proxy": Attempt(POST + b"@X-Forwarded-For: 1.2.3.4\r\nForwarded: host=evil\r\n" + WHOLE, "200", 1),
        "what is not waited for": Attempt(POST + b"@Expect: evil\r\n" + WHOLE, "200", 1),
        "another's token beside its own": Attempt(POST + b"@x-api-key: &\r\n" + WHOLE, "200", 1),
    },
    "paths": {
        "up and down": Attempt(to(b"/v1/../v1/chat/completions"), "404"),
        "up to files": Attempt(to(b"/v1/chat/completions/../../../v1/files"), "404"),
        "dots as signs": Attempt(to(b"/v1/%2e%2e/v1/chat/completions"), "404"),
        "a slash as a sign": Attempt(to(b"/v1/chat%2fcompletions"), "200", 1),
        "a question": Attempt(to(b"/v1/chat/completions?api-version=1&key=x"), "200", 1),
        "a semicolon": Attempt(to(b"/v1/chat/completions;x=1"), "404"),
        "capitals": Attempt(to(b"/V1/CHAT/COMPLETIONS"), "404"),
        "a zero": Attempt(to(b"/v1/chat/completions%00"), "404"),
        "the other way": Attempt(to(b"\\v1\\chat\\completions"), "400"),
        "another host's": Attempt(to(b"http://evil.example/v1/chat/completions"), "200", 1),
        "models and up": Attempt(to(b"/v1/models/../files", b"GET"), "404"),
        "models and more": Attempt(to(b"/v1/modelsevil", b"GET"), "404"),
        "embeddings": Attempt(to(b"/v1/embeddings"), "404"),
        "a response": Attempt(to(b"/v1/responses/resp_1", b"DELETE"), "404"),
    },
    "methods": {
        "PUT": Attempt(to(b"/v1/chat/completions", b"PUT"), "404"),
        "small letters": Attempt(to(b"/v1/chat/completions", b"post"), "400"),
        "TRACE": Attempt(to(b"/v1/models", b"TRACE"), "404"),
        "a long one": Attempt(to(b"/v1/models", b"A" * 5000), "400"),
        "of an old version": Attempt(b"POST /v1/chat/completions HTTP/1.0\r\n@" + LENGTH + b"\r\n" + BODY, "200", 1),
        "of a new version": Attempt(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
    },
    "encodings": {
        "gzip that is none": Attempt(POST + b"@Content-Encoding: gzip\r\n" + WHOLE, "400"),
        "deflate that is none": Attempt(POST + b"@Content-Encoding: deflate\r\n" + WHOLE, "400"),
        "one that is not there": Attempt(POST + b"@Content-Encoding: evil\r\n" + WHOLE, "200", 1),
        "sixteen bits": Attempt(
            POST + b"@Content-Type: application/json; charset=utf-16\r\nContent-Length: %d\r\n" % len(UTF16)
            + CLOSE + b"\r\n" + UTF16, "200", 1
        ),
        "a mark before it": Attempt(
            POST + b"@Content-Length: %d\r\n" % (len(BODY) + 3) + CLOSE + b"\r\n\xef\xbb\xbf" + BODY, "200", 1
        ),
        "as a form": Attempt(POST + b"@Content-Type: multipart/form-data; boundary=x\r\n" + WHOLE, "200", 1),
    },
}  # fmt: skip
ATTEMPTS = {f"{family}: {name}": one for family, several in FAMILIES.items() for name, one in several.items()}


class Outcome(NamedTuple):
    statuses: str
    calls: int
    left: tuple[int, int]
    """Memory and calls that the account still has at work."""
    odd: list[str]
    """Headers that have come through, and are no one's business there."""


async def answered(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def tried(folder: Path) -> dict[str, Outcome]:
    script = Script(prompt="Write hello.py", coder=[Say(content="Hi.")] * 500)
    found = {}
    async with (
        RehearsalServer([script], any_model=True) as upstream,
        Desk.open(upstream.base_url, folder) as desk,
    ):
        account, other = desk.account(), desk.account()
        token, others = desk.gateway.open(account).encode(), desk.gateway.open(other).encode()
        host = b"127.0.0.1:%d" % desk.gateway.port
        own = b"Host: " + host + b"\r\nAuthorization: Bearer " + token + b"\r\n"
        for name, attempt in ATTEMPTS.items():
            before = len(upstream.requests)
            sent = attempt.sent.replace(b"@", own).replace(b"&", others).replace(b"$", host)
            answer = await answered(desk.gateway.port, sent)
            statuses = b" ".join(re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)).decode()
            requests = upstream.requests[before:]
            given = "".join(
                f"{key}: {value}\n" for one in requests for key, value in one.headers.items()
            ).lower()
            odd = [word for word in ("evil", "sk-agentbatch", "forwarded") if word in given]
            found[name] = Outcome(statuses, len(requests), (account.weight, len(account.calls)), odd)
        assert (other.weight, other.fruitless, len(other.calls)) == (0, 0, 0)
    return found


class Kept(logging.Handler):
    def __init__(self, said: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    """All of them one after another, and whatever was said about it in a log."""
    said: list[logging.LogRecord] = []
    listener = Kept(said)
    logging.getLogger().addHandler(listener)
    try:
        yield asyncio.run(tried(tmp_path_factory.mktemp("gateway")))
    finally:
        logging.getLogger().removeHandler(listener)
    assert said == []


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_request_reaches_its_own_account_or_nothing(name: str, outcomes: dict[str, Outcome]) -> None:
    attempt = ATTEMPTS[name]
    assert outcomes[name] == Outcome(attempt.statuses, attempt.calls, (0, 0), [])
