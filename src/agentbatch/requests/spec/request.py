"""One plain model request: what it is, and the two forms in which a line of input gives it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.documents.json_text import mistake
from agentbatch.errors import UserError
from agentbatch.problems import first_problem
from agentbatch.text import clip, nearest

Url = Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
"""The endpoints that OpenAI's batch service takes."""

URLS: tuple[Url, ...] = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")

CHAT: Url = "/v1/chat/completions"

MAX_ID = 512
"""Characters."""


class BatchRequest(BaseModel):
    """A request as it is sent: `body` goes to `url` as it is, with the model put in where it names none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=MAX_ID)
    """Unique in its batch; the Batch form's `custom_id`."""
    body: dict[str, Any]
    url: Url = CHAT

    @classmethod
    def ask(
        cls,
        id: str,  # noqa: A002 - the field's name
        prompt: str,
        *,
        system: str | None = None,
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        json_schema: Mapping[str, Any] | None = None,
    ) -> "BatchRequest":
        """A chat request with one user message."""
        messages = [{"role": "user", "content": prompt}]
        if system:
            messages.insert(0, {"role": "system", "content": system})
        body: dict[str, Any] = {"messages": messages}
        for name, value in (("model", model), ("temperature", temperature), ("max_tokens", max_tokens)):
            if value is not None:
                body[name] = value
        if json_schema is not None:
            body["response_format"] = response_format(json_schema)
        return cls(id=id, body=body)

    def text(self) -> str:
        """The body as JSON (`canonical`). Raises UserError where it cannot be JSON: it holds NaN, or an object of
        Python's own."""
        try:
            return canonical(self.body)
        except (TypeError, ValueError, RecursionError) as error:
            raise UserError(f"The request {self.id!r} cannot be sent as JSON: {error}.") from None

    def key(self, base_url: str, version: str = "") -> str:
        """32 hexadecimal digits that stand for what is asked, and where: equal keys, equal answers. `version`: of
        whatever made the body from its parts. Raises UserError as `text`."""
        parts = [base_url, self.url, version, self.text()]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


class ShortRequest(BaseModel):
    """The short form: `{"id": …, "prompt": …}`, or `messages`, and what may differ from the batch's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=MAX_ID)
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = Field(None, min_length=1)
    system: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = Field(None, ge=1)
    json_schema: dict[str, Any] | None = None

    def request(self) -> BatchRequest:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("needs `prompt` or `messages`, one of them")
        made = BatchRequest.ask(
            self.id,
            self.prompt or "",
            system=self.system,
            model=self.model,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            json_schema=self.json_schema,
        )
        if self.messages is None:
            return made
        lead = [{"role": "system", "content": self.system}] if self.system else []
        return made.model_copy(update={"body": {**made.body, "messages": [*lead, *self.messages]}})


class _BatchLine(BaseModel):
    """OpenAI's Batch form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    custom_id: str = Field(min_length=1, max_length=MAX_ID)
    method: Literal["POST"] = "POST"
    url: Url
    body: dict[str, Any]


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The `response_format` that asks for an answer of this JSON schema."""
    name = str(schema.get("title") or "answer")
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:64] or "answer"
    return {"type": "json_schema", "json_schema": {"name": safe, "schema": dict(schema)}}


def canonical(body: Mapping[str, Any]) -> str:
    """The same text for bodies that say the same. Raises ValueError for a number that JSON does not have."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def read_line(text: str | bytes, where: str) -> BatchRequest:
    """The request of one line, in either form. Raises UserError, which begins with `where`."""
    try:
        document = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise UserError(f"{where}: nested too deeply.") from None
    except _NoNumber as error:
        raise UserError(f"{where}: JSON has no number {error}. Write null, or leave it out.") from None
    except ValueError as error:
        problem = "not UTF-8" if isinstance(error, UnicodeError) else clip(str(error), 100)
        if isinstance(error, json.JSONDecodeError):
            problem = f"{mistake(error)} (column {error.colno})"
        raise UserError(f"{where}: not JSON: {problem}. Each line is one JSON object.") from None
    if not isinstance(document, dict):
        raise UserError(f"{where}: a JSON object is wanted, not {type(document).__name__}.")
    return request_of(document, where)


class _NoNumber(Exception):
    """NaN, Infinity or -Infinity, which Python reads and no endpoint takes."""


def _no_number(name: str) -> None:
    raise _NoNumber(name)


def request_of(document: Mapping[str, Any], where: str) -> BatchRequest:
    """As `read_line`, of a line that has been read."""
    try:
        if "custom_id" in document or "body" in document or "url" in document:
            line = _BatchLine.model_validate(document)
            return BatchRequest(id=line.custom_id, body=line.body, url=line.url)
        return ShortRequest.model_validate(document).request()
    except ValidationError as error:
        raise UserError(f"{where}: {_sentence(error)}") from None
    except ValueError as error:
        raise UserError(f"{where}: {error}.") from None


def _sentence(error: ValidationError) -> str:
    problem = first_problem(error)
    name = problem.name or "the line"
    if problem.kind == "missing":
        return f"`{clip(name, 60)}` is missing."
    if problem.kind == "extra_forbidden":
        close = nearest(name, _NAMES)
        known = f"; did you mean `{close}`?" if close else f". Lines have {_KNOWN}."
        return f"`{clip(name, 60)}` is not known{known}"
    if name == "url":
        return f"`url` must be one of {', '.join(URLS)}."
    return f"`{clip(name, 60)}`: {problem.told(lambda given: clip(repr(given)[:200], 40))}."


_NAMES = (*_BatchLine.model_fields, *ShortRequest.model_fields)

_KNOWN = (
    "custom_id, method, url and body (the Batch form), or id, prompt or messages, system, model, temperature, "
    "max_tokens and json_schema"
)
