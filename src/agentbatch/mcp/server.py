"""A server of tools that speaks the Model Context Protocol, as a user names it: a table of `[mcp.servers]` in
agents/coder.toml, an entry of a task's `mcp`."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from agentbatch.config import Amount
from agentbatch.config.headers import read_header
from agentbatch.config.values import check_variables
from agentbatch.patterns import regex

TIMEOUT = 60.0
"""Seconds for one call of a tool, unless the server's `timeout` says otherwise."""
MAX_SERVERS = 20
"""Of one task."""

REFERENCE = regex(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A variable of the user's environment in the value of a header."""


class McpServer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    command: tuple[str, ...] = Field((), strict=False)
    """Program and arguments: it is started in the task's directory, inside the same walls as the task's commands."""
    url: str = ""
    """Of one that is reached by streamable HTTP, from the engine."""
    sse: bool = False
    """It speaks the older way of HTTP with server-sent events instead."""
    env: dict[str, str] = {}
    """Variables for the command, besides the task's own."""
    headers: dict[str, str] = Field({}, repr=False)
    """Sent to the URL, and nowhere else; `${NAME}` is a variable of the user's environment."""
    tools: tuple[str, ...] | None = Field(None, strict=False)
    """The names, as the server has them, of those that are offered; None: all."""
    evaluator: tuple[str, ...] = Field((), strict=False)
    """The names of those that the judge may call besides."""
    timeout: Amount = TIMEOUT
    """Seconds for one call."""
    required: bool = False
    """A task whose server cannot be started has failed; otherwise it works without the server's tools."""

    @model_validator(mode="before")
    @classmethod
    def _check_words(cls, value: object) -> object:
        """Other programs have the arguments apart."""
        if isinstance(value, dict) and isinstance(value.get("command"), str):
            given = value.get("args")
            words = [value["command"], *(given if isinstance(given, list) else [])]
            raise ValueError(
                f"has its program and its arguments in one list here, as command: {json.dumps(words)}"
            )
        return value

    @field_validator("command")
    @classmethod
    def _check_command(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("\0" in word for word in value) or (value and not value[0].strip()):
            raise ValueError("must be a list of words that begins with a program")
        return value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1)
        except ValueError:
            whole = False
        if value and (not whole or not value.isprintable() or " " in value):
            raise ValueError("must be an address that begins with http:// or https://")
        return value

    @field_validator("env")
    @classmethod
    def _check_env(cls, value: dict[str, str]) -> dict[str, str]:
        check_variables(value)
        for name, text in value.items():
            if REFERENCE.search(text):
                raise ValueError(
                    f"{name}: a command gets no variable of yours but those that all of the task's commands have; "
                    "what needs a key is a server with a url, whose headers stay here"
                )
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            read_header(f"{name}={REFERENCE.sub('x', text)}")
        return value

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("must have either a command or a url")
        for field, kind in (("env", "command"), ("headers", "url"), ("sse", "url")):
            if getattr(self, field) and not getattr(self, kind):
                raise ValueError(f"{field} belongs to a server with a {kind}")
        return self

    @property
    def references(self) -> tuple[str, ...]:
        """The variables that its headers name."""
        return tuple(
            dict.fromkeys(name for text in self.headers.values() for name in REFERENCE.findall(text))
        )

    def filled_headers(self, environ: Mapping[str, str]) -> dict[str, str]:
        """With the variables' values; one that is not there is empty."""
        return {
            name: REFERENCE.sub(lambda found: environ.get(found[1], ""), text)
            for name, text in self.headers.items()
        }


def _check_names(servers: dict[str, McpServer]) -> dict[str, McpServer]:
    seen: dict[str, str] = {}
    for name in servers:
        if len(name) > 32 or not re.fullmatch(r"[A-Za-z0-9]+([_-][A-Za-z0-9]+)*", name):
            raise ValueError(
                f"{name[:60]!r} is not a name for a server: 1 to 32 letters and digits, parted by single '_' or '-'"
            )
        if (other := seen.setdefault(_key(name), name)) != name:
            raise ValueError(f"{name!r} and {other!r} are one name to a model")
    if len(servers) > MAX_SERVERS:
        raise ValueError(f"must have at most {MAX_SERVERS} servers")
    return servers


McpServers = Annotated[dict[str, McpServer], AfterValidator(_check_names)]
"""By name."""


def for_evaluator(servers: Mapping[str, McpServer]) -> Mapping[str, McpServer]:
    """Those with tools that the judge may call, with these alone; it does without one that cannot be had."""
    return {
        name: server.model_copy(update={"tools": server.evaluator, "required": False})
        for name, server in servers.items()
        if server.evaluator
    }


def merged(usual: Mapping[str, McpServer], own: Mapping[str, McpServer]) -> Mapping[str, McpServer]:
    """A task's servers: those that all have, and its own, each instead of one of the same name."""
    replaced = {_key(name) for name in own}
    return {**{name: one for name, one in usual.items() if _key(name) not in replaced}, **own}


def _key(name: str) -> str:
    return name.replace("-", "_")
