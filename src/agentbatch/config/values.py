"""What settings are made of: their types, each with the check and the sentence for what is none of it. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from agentbatch.config.alerts import read_alert
from agentbatch.config.headers import read_header, split_headers
from agentbatch.config.reports import parse_report, read_share
from agentbatch.patterns import regex
from agentbatch.redaction import MASK
from agentbatch.text import clip

Mode = Literal["serial", "parallel", "test"]
DisplayName = Literal["auto", "tui", "rich", "plain", "json", "none"]
SandboxName = Literal["auto", "bubblewrap", "podman", "docker", "none"]
JudgeName = Literal["model", "none"]
Isolation = Literal["none", "copy", "worktree"]
"""Where a task works: in its own directory; in a copy of it; in a git worktree on a branch of its own."""
StopAt = Literal["first", "all"]
"""When a task's attempts end: once the first of them is completed, or each at its own end."""
PromptCacheChoice = Literal["auto", "on", "1h", "off"]
"""cache_control marks: where they are known to be wanted; always; always, kept for an hour; never."""
ToolModeChoice = Literal["auto", "native", "schema", "text"]
ApiChoice = Literal["auto", "chat", "responses"]
"""Chat completions, or the Responses API; auto: chat, but where the other is known to be better, or the only one."""

Amount = Annotated[float, Field(gt=0, lt=1_000_000_000.0)]
"""A time in seconds, or a sum in dollars: a billion is a slip of the finger, or `inf`."""

MAX_QUOTA = 8 * 86_400.0
"""Seconds: a quota of a week, and a day."""

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def _split(separator: str | None) -> Callable[[object], object]:
    """Into words, None: at white space. What is no text is left to the type."""

    def words(value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(word.strip() for word in value.split(separator) if word.strip())

    return words


def _read_duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value == "max":
        return MAX_QUOTA
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)([smhd]?)", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError("must be a time like 90m, 6h or 2d, or max")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _check_failures(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,6}|(100|[1-9]\d?(\.\d+)?|0\.0*[1-9]\d*)%", value):
        raise ValueError("must be a number from 1 on, or a part of all like 10%")
    return value


def _check_slice(value: str) -> str:
    if not re.fullmatch(r"([0-9]{1,9})?:([0-9]{1,9})?", value):
        raise ValueError("must be A:B, A: or :B, with numbers counted from 0")
    return value


def _check_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value[:60]!r} is not a regular expression: {error}") from None
    return value


def _check_steps(value: tuple[str, ...]) -> tuple[str, ...]:
    last = 0
    for text in value:
        found = re.fullmatch(r"([1-9][0-9]{0,2}|1000):(@[^\s:@]+(:\S.*)?|[^\s@].*)", text)
        if found is None:
            raise ValueError(
                "must be AFTER:MODEL, AFTER:@CODER or AFTER:@CODER:MODEL, like 2:gpt-5 or 2:gpt-5,4:@codex, AFTER up "
                "to 1000"
            )
        if int(found[1]) <= last:
            raise ValueError(
                f"each number must be greater than the one before it ({found[1]} follows {last})"
            )
        last = int(found[1])
    return value


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        (parts.hostname or "").encode("idna")  # as it is looked up: UnicodeError for `a..b`
    except ValueError:
        valid = False
    if valid and (parts.username or parts.password):
        raise ValueError("a URL with a user or password in it is not taken; put the key into its variable")
    if MASK in value:
        raise ValueError("the key in this address was not kept; give the whole address again")
    if not valid or re.search(r"\s", value):
        raise ValueError("must be a URL like https://host/v1 or http://localhost:8000/v1")
    call = re.search(r"/(chat/completions|completions|responses|embeddings)/?$", parts.path)
    if call:
        raise ValueError(f"is the address of one kind of call; the endpoint is what stands before /{call[1]}")
    return value.rstrip("/")


def _check_headers(value: object) -> object:
    given = split_headers(value) if isinstance(value, str) else value
    if isinstance(given, list | tuple):
        for header in given:
            read_header(header.get_secret_value() if isinstance(header, SecretStr) else str(header))
    return given


PLACEHOLDER = regex(r"<.*>|.*(\.\.\.|…)|(?i:.*your[-_ ].*|x{3,})")
"""What examples have in the place of a key."""


def _check_key(value: SecretStr | None) -> SecretStr | None:
    key = value.get_secret_value().strip() if value is not None else ""
    if not key:
        return None
    if key.startswith(("${", "$(")):
        raise ValueError(
            "is not a key: .env is taken as it stands, and nothing is put in the place of ${...}"
        )
    if PLACEHOLDER.fullmatch(key):
        raise ValueError("is no key yet: put yours in its place")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("is not a key: that is one word of plain ASCII characters")
    return SecretStr(key)


MAX_COMPARED = 20
"""Models, or coders, in one comparison: a table that can be read, and 190 pairs."""


def _check_compared(value: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((name for name in value if value.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"names {clip(twice, 60)} twice")
    if len(value) > MAX_COMPARED:
        raise ValueError(f"must be at most {MAX_COMPARED} names")
    return value


def _check_reports(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        parse_report(text)
    return value


def _check_alerts(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        try:
            read_alert(text)
        except ValueError as error:
            raise ValueError(f"{clip(text, 60)!r} {error}") from None
    return value


Models = Annotated[tuple[str, ...], BeforeValidator(_split(","))]
"""`A,B`."""

CoderModels = Annotated[tuple[str, ...], BeforeValidator(_split(",")), AfterValidator(_check_compared)]
"""`A,B`: those of a comparison; none in other runs."""

Steps = Annotated[tuple[str, ...], BeforeValidator(_split(",")), AfterValidator(_check_steps)]
"""`AFTER:MODEL`, `AFTER:@CODER` or `AFTER:@CODER:MODEL`, several with commas between; the numbers grow."""

Words = Annotated[tuple[str, ...], BeforeValidator(_split(None))]

Addresses = Annotated[tuple[SecretStr, ...], BeforeValidator(_split(None))]
"""Of notifications: they carry tokens."""

QuotaWait = Annotated[float, Field(ge=0, le=MAX_QUOTA), BeforeValidator(_read_duration)]
"""Seconds; as text a time like `6h`, or `max`."""

MaxFailures = Annotated[str, AfterValidator(_check_failures)]
"""`N` or `P%`."""

Reports = Annotated[tuple[str, ...], BeforeValidator(_split(",")), AfterValidator(_check_reports)]
"""Each as `wanted_report` reads it."""

Alerts = Annotated[tuple[str, ...], BeforeValidator(_split(";")), AfterValidator(_check_alerts)]
"""Each as `read_alert` reads it."""

Share = Annotated[float, Field(ge=0, le=100), BeforeValidator(lambda value: read_share(str(value)))]
"""Percent; as text like `90%`."""

Slice = Annotated[str, AfterValidator(_check_slice)]
"""`A:B`, either of them or none."""

Pattern = Annotated[str, AfterValidator(_check_pattern)]
"""A regular expression."""

Url = Annotated[str, AfterValidator(_check_url)]
"""Of an endpoint; without a slash at its end."""

Headers = Annotated[tuple[SecretStr, ...], BeforeValidator(_check_headers)]
"""As `read_header` takes them."""

Key = Annotated[SecretStr | None, AfterValidator(_check_key)]
"""One word; None: there is none, or it is empty."""


def check_variables(value: Mapping[str, str]) -> None:
    """Raises ValueError where a command cannot be given them as its environment."""
    for name, text in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in text:
            raise ValueError(f"{name!r} is not a name for an environment variable, or has a NUL character")
