"""One entry of agents/coders.toml: a coder that a task can name, and how it is driven. Plain data, checked."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from agentbatch.config.values import check_variables
from agentbatch.patterns import regex
from agentbatch.tasks.agents.definition import Part
from agentbatch.text import nearest

Protocol = Literal["builtin", "acp", "command"]
"""The one in agentbatch; the Agent Client Protocol; a command a turn."""

WireApi = Literal["chat", "responses", "messages"]
"""What it calls its model by: `/v1/chat/completions`, `/v1/responses`, `/v1/messages`."""

Reader = Literal["plain", "claude", "codex", "opencode", "gemini", "pi"]
"""How the output of a command is read: plain text; Claude Code's stream-json, which Qwen Code writes too; the JSON
lines of codex, OpenCode, Gemini CLI and pi."""

PLACES = ("url", "root_url", "token", "model", "home", "directory", "mcp_servers", "session", "prompt")
"""What `{...}` may stand for in a command, a variable or a file: the gateway's address with `/v1` and without, the
task's token for it, the model, the coder's HOME, the task's directory, the task's servers of tools as JSON, the agent's
session, the prompt."""


OURS = regex(r"\{(url|root_url|token|model)\}")
"""Places that lead to the gateway."""


def _elsewhere(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if not OURS.search(value)}


def _check_variables(value: Mapping[str, str]) -> Mapping[str, str]:
    check_variables(value)
    return value


def _check_words(value: tuple[str, ...]) -> tuple[str, ...]:
    if any(not word.strip() or "\0" in word for word in value):
        raise ValueError("must not have an empty word")
    for place in re.findall(r"\{([a-z_]{1,20})\}", " ".join(value)):
        if place not in PLACES and (near := nearest(place, PLACES, cutoff=0.8)):
            raise ValueError(f"{{{place}}} stands for nothing, {{{near}}} may be meant")
    return value


def _check_below(value: Collection[str]) -> Collection[str]:
    for path in value:
        if not path.strip("/.") or path.startswith(("/", "~")) or ".." in path.split("/") or "\0" in path:
            raise ValueError(f"{path!r} is no file below the home, like .codex/auth.json")
    return value


Command = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_words)]
"""A program and its arguments; no shell."""
Files = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_below)]
"""Below the user's home."""


class CoderEntry(Part):
    """A coder by name. `{url}` and the other PLACES are filled in where it is started."""

    name: str
    protocol: Protocol
    command: Command = ()
    gateway: bool = True
    """It calls its model through our gateway; False: by a login of its own, and its bill is as it tells."""
    api: WireApi = "chat"
    env: Annotated[Mapping[str, str], AfterValidator(_check_variables)] = {}
    """Variables of its process: where its model is, and that it sends home nothing."""
    files: Annotated[Mapping[str, str], AfterValidator(_check_below)] = {}
    """Its configuration, by path below its HOME."""
    mode: str = ""
    """ACP: the session's mode, set before the first prompt; our walls stand round it, its own are switched off."""
    options: Mapping[str, str] = {}
    """ACP: the session's options by id, set before the first prompt."""
    resume: Command = ()
    """Command: what is run instead of `command` where there is a session to go on with."""
    prompt: Literal["argument", "stdin"] = "argument"
    """Command: where the prompt goes, unless `{prompt}` stands in the command."""
    reader: Reader = "plain"
    credentials: Files = ()
    """Its login, shown to it where the user says so (`--coder-login`). Files, not folders: these hold settings and
    hooks too, which the user's own next session would obey."""
    memory: int = Field(0, ge=0)
    """MB that one process takes, for planning; 0: not known."""
    first_request: int = Field(0, ge=0)
    """Tokens of its first request beside the prompt, for estimates; 0: not known."""
    version: Command = ()
    """What prints its version; empty: its program with `--version`."""
    install: str = ""
    """The command that installs it."""
    own: bool = False
    """Of the user's file, in whole or in part."""

    @model_validator(mode="after")
    def _check_command(self) -> Self:
        if self.protocol != "builtin" and not self.command:
            raise ValueError('command is missing, like ["agent", "--acp"]')
        return self

    def logged_in(self) -> "CoderEntry":
        """As it is started with a login of its own: nothing leads it to the gateway."""
        return self.model_copy(
            update={"gateway": False, "env": _elsewhere(self.env), "files": _elsewhere(self.files)}
        )

    def without_login(self) -> "CoderEntry":
        return self.model_copy(update={"credentials": ()})

    @property
    def configures_servers(self) -> bool:
        """It is told of servers of tools by its configuration, not when a session begins."""
        return any("{mcp_servers}" in text for text in self.files.values())

    @property
    def program(self) -> str:
        """What is looked up on the PATH; empty: it needs none."""
        return self.command[0] if self.command else ""
