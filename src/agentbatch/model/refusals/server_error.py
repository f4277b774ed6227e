"""Reads the error of a refused request. Every provider has its own shape; all are untrusted."""

import json
from dataclasses import dataclass, field
from typing import Any

from agentbatch.files import parse_json
from agentbatch.model.refusals.fields import Field, failed_generation, fields_of, inner_document, spoken
from agentbatch.patterns import regex

MAX_WORDS = 300
"""Characters of a server's own words that are shown to a person."""

MAX_MATCHED = 4_000
"""Characters of an error text that patterns are matched against. An endpoint may send megabytes."""

MESSAGES = ("message", "detail", "error_msg", "error_message", "status_msg")
"""Names of the fields with an error's words: OpenAI's, FastAPI's, Baidu's, gateways' (hermes-agent #65738), MiniMax."""

CODE_FIELDS = frozenset({"code", "type", "status", "reason", "errorcode", "errortype", "statuscode", "error"})
"""Names of the fields in which providers say by a word or a number what went wrong, as `Field` has them."""

_CONTROL = regex(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_TAGS = regex(r"<[^<>]{0,500}>")


@dataclass(frozen=True)
class ServerError:
    """An error answer in one shape. Empty strings where the server sent nothing."""

    status: int
    message: str = ""
    code: str = ""
    """`context_length_exceeded`, `insufficient_quota`, …; a number as text where the server sent one."""
    type: str = ""
    param: str = ""
    """The request field that the error is about, as OpenAI names it."""
    fields: tuple[Field, ...] = field(default=(), compare=False, repr=False)
    """All that its document says, at every depth."""
    written: str = field(default="", compare=False, repr=False)
    """What the model wrote that the endpoint could not read: nothing that the server says."""

    @property
    def words(self) -> str:
        """Everything the server sent, in lower case, for patterns."""
        return f"{self.message} {self.code} {self.type} {self.param}"[:MAX_MATCHED].lower()

    @property
    def codes(self) -> frozenset[str]:
        """Its codes and types at every depth, in lower case."""
        inner = {
            one.value.lower() for one in self.fields if one.name in CODE_FIELDS and len(one.value) <= 100
        }
        return frozenset({self.code.lower(), self.type.lower(), *inner} - {""})


def read_error(status: int, body: bytes) -> ServerError:
    """The error in an answer's body: OpenAI's {"error": {…}}, Ollama's {"error": "…"}, vLLM's and Cerebras's
    flat {"message": …}, FastAPI's {"detail": …}, Google's [{"error": …}], ModelScope's {"errors": {…}}, or plain text
    and HTML."""
    text = body[: 4 * MAX_MATCHED].decode("utf-8", "replace")
    try:
        document = parse_json(body)
    except ValueError:
        return ServerError(status, message=_plain(text))
    return error_in(status, document) or ServerError(status, message=_plain(text))


def error_in(status: int, document: Any) -> ServerError | None:
    """The error object in a parsed answer, or None when there is none."""
    written = failed_generation(document)
    fields_from = document = spoken(document)
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return None
    error = document.get("error") or document.get("errors") or _minimax(document)
    if not error:
        if document.get("choices") is not None or not any(document.get(key) for key in MESSAGES):
            return None
        error = document
    if isinstance(error, list) and error and isinstance(error[0], dict):
        error = error[0]  # Cloudflare's and JSON:API's
    if not isinstance(error, dict):
        return ServerError(status, message=_text(error), fields=fields_of(fields_from), written=written)
    message = next((error[key] for key in (*MESSAGES, "error") if error.get(key)), "")
    return ServerError(
        status,
        message=_readable(_text(message)) + _upstream(error),
        code=_text(error.get("code") or error.get("status_code")),
        type=_text(error.get("type") or error.get("error_type") or error.get("status")),
        param=_text(error.get("param")),
        fields=fields_of(fields_from),
        written=written,
    )


def _minimax(document: dict[str, Any]) -> Any:
    """MiniMax answers 200 whatever happens, and says in `base_resp` how it went."""
    base = document.get("base_resp")
    return base if isinstance(base, dict) and base.get("status_code") not in (0, None) else None


def tidy(words: str, limit: int = MAX_WORDS) -> str:
    """A server's words on one line, without control characters, shortened at the end.

    Redact before calling with a limit: half a key would not be recognised.
    """
    line = " ".join(_CONTROL.sub(" ", words).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _upstream(error: dict[str, Any]) -> str:
    """Aggregators (OpenRouter) say "Provider returned error" and keep the provider's words in the
    metadata."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return f": {_readable(_text(raw))}" if raw else ""


def _readable(text: str) -> str:
    """The words of an error that a gateway passes on as the JSON text of a whole document."""
    document = inner_document(text)
    inner = error_in(0, document) if document is not None else None
    return inner.message or text if inner is not None else text


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return value[: 4 * MAX_MATCHED]
    if isinstance(value, int | float):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False)[: 4 * MAX_MATCHED]
    except (ValueError, RecursionError):
        return ""


def _plain(text: str) -> str:
    """The readable part of an answer that is not JSON, such as a proxy's HTML page."""
    return tidy(_TAGS.sub(" ", text), MAX_MATCHED) if "<" in text else text
