"""What came of a request, and its line of output, in the Batch form."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentbatch.files import json_line
from agentbatch.requests.spec.answers import text_of
from agentbatch.requests.spec.request import CHAT, Url
from agentbatch.usage import Usage


@dataclass(frozen=True)
class BatchError:
    """Why a request failed."""

    code: str
    """The endpoint's own where it gave one; `no_answer`, `timeout` (this request's), `invalid_answer`,
    `stopped` and `batch_timeout` (the whole batch's) are ours."""
    message: str
    """One sentence, without keys."""
    kind: str = ""
    """The retry class (model.reply.ErrorKind): `rate`, `transient`, `request`, `endpoint`, `overflow`."""


@dataclass(frozen=True)
class BatchResult:
    """One request's outcome. `error` is None when it was answered."""

    id: str
    index: int
    """Its place in the input, from 0."""
    url: Url = CHAT
    status_code: int | None = None
    """None: no answer came."""
    request_id: str = ""
    """The endpoint's."""
    body: Mapping[str, Any] | None = None
    """The endpoint's document, as it came."""
    error: BatchError | None = None
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    """US dollars; None when the price is unknown; 0 when nothing was paid for it."""
    attempts: int = 0
    refused: int = 0
    """Attempts that were answered 429."""
    reasked: int = 0
    """Times that an answer did not keep to its schema, and was asked for again."""
    wait: float = 0.0
    """Seconds in the queue before it was sent first."""
    latency: float = 0.0
    """Seconds from its last sending to its answer."""
    cached: bool = False
    """The answer is another request's, of this batch or of an earlier one: nothing was sent."""
    data: Any = None
    """The answer as JSON, where a schema was given."""
    fallback: Any = None
    """What `fallback` gave instead of an answer."""
    made_line: str = field(default="", repr=False)
    """Its line of output, where it has been made."""

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def text(self) -> str:
        """The text of the first answer; empty where there is none."""
        return text_of(self.url, self.body) if self.body is not None else ""

    def line(self) -> str:
        """As JSON in the form of OpenAI's batch output; without a line end."""
        if self.made_line:
            return self.made_line
        response = None
        if self.status_code is not None or self.body is not None:
            response = {
                "status_code": self.status_code or 200,
                "request_id": self.request_id,
                "body": self.body if self.body is not None else {},
            }
        document = {
            "id": f"batch_req_{secrets.token_hex(12)}",
            "custom_id": self.id,
            "response": response,
            "error": None if self.error is None else {"code": self.error.code, "message": self.error.message},
        }
        return json_line(document)


def renamed(line: str, request_id: str) -> str:
    """The output line of a request that asked the same as another."""
    document = json.loads(line)
    document["custom_id"] = request_id
    document["id"] = f"batch_req_{secrets.token_hex(12)}"
    return json_line(document)


def result_of(line: str, index: int, url: Url) -> BatchResult:
    """The result that an output line has, as far as it goes. Raises ValueError for what is not an output line."""
    document = json.loads(line)
    response, error = document.get("response"), document.get("error")
    response = response if isinstance(response, dict) else {}
    return BatchResult(
        id=str(document["custom_id"]),
        index=index,
        url=url,
        status_code=response.get("status_code"),
        request_id=str(response.get("request_id") or ""),
        body=response.get("body"),
        error=BatchError(str(error.get("code")), str(error.get("message")))
        if isinstance(error, dict)
        else None,
        cached=True,
        cost=0.0,
        made_line=line,
    )
