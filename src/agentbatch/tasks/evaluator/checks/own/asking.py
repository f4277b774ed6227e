"""What a model is asked when it is to write checks, and reading them out of its reply. Pure."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from agentbatch.model.reply import Message
from agentbatch.problems import first_problem
from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.messages import fence
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.shorten import shortened
from agentbatch.tasks.evaluator.checks.own.script import (
    MAX_REQUIREMENT,
    MAX_SCRIPT,
    OwnCheck,
    language_of,
)
from agentbatch.text import harmless
from agentbatch.workspace.files.diff.diff import tree
from agentbatch.workspace.files.diff.file_diff import quoted
from agentbatch.workspace.workspace import Snapshot

MAX_TREE_LINES = 100
MAX_FILE = 1500
"""Characters of one file that are shown, its head and tail."""
MAX_FILES = 9000
"""Characters of all files together."""
MAX_REPLY = 200_000
"""Characters of a reply that are read."""


class NoChecks(ValueError):
    """The reply holds no list of checks; the text says what is wrong, for the model to mend."""


class Question(NamedTuple):
    """What checks are to be written from: the task, and the directory before any work."""

    task: str
    before: Snapshot
    most: int
    """Checks at most."""

    def messages(self, prompts: Prompts, redact: Redactor) -> list[Message]:
        files, listing = _files(self.before), tree(self.before, MAX_TREE_LINES)
        asked = prompts.render(
            "own_checks.md",
            nonce=fence(self.task, files, listing),
            most=self.most,
            task=self.task,
            tree=listing,
            files=files,
        )
        return [
            {"role": "system", "content": prompts.system("own_checks_writer.md")},
            {"role": "user", "content": redact(asked)},
        ]


def checks_schema(most: int) -> tuple[str, dict[str, Any]]:
    """Name and JSON schema for endpoints that can constrain their output: flat, all required, closed."""
    text = {"type": "string"}
    check = {
        "type": "object",
        "properties": {
            "requirement": text,
            "language": {"type": "string", "enum": ["bash", "python"]},
            "script": text,
        },
        "required": ["requirement", "language", "script"],
        "additionalProperties": False,
    }
    return "checks", {
        "type": "object",
        "properties": {"checks": {"type": "array", "items": check, "maxItems": most}},
        "required": ["checks"],
        "additionalProperties": False,
    }


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    requirement: str = ""
    language: str = ""
    script: str


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    checks: list[_Written]


def parse_checks(content: str, most: int, redact: Redactor) -> list[OwnCheck]:
    """The checks in a reply, `most` at most, without those that are empty or too long. Raises NoChecks."""
    text = content[:MAX_REPLY]
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise NoChecks("its answer has no JSON object")
    try:
        written = _Reply.model_validate(json.loads(text[start : end + 1]))
    except ValidationError as error:
        problem = first_problem(error)
        raise NoChecks(f"{problem.name}: {problem.message}") from None
    except (ValueError, RecursionError):
        raise NoChecks("its JSON is broken") from None
    return [_check(one, redact) for one in written.checks if _is_one(one)][:most]


def _is_one(written: _Written) -> bool:
    script = written.script
    # Half of a surrogate pair cannot stand in a command.
    is_text = script.encode("utf-8", "replace").decode() == script and "\0" not in script
    return bool(script.strip()) and len(script) <= MAX_SCRIPT and is_text


def _check(written: _Written, redact: Redactor) -> OwnCheck:
    requirement = harmless(redact(written.requirement))[:MAX_REQUIREMENT] or "the task"
    script = redact(written.script)
    return OwnCheck(requirement, script, language_of(script, written.language))


def again(problems: Sequence[str]) -> str:
    """What the model is asked after a reply without a check that can be used."""
    return (
        f"None of that can be used: {'; '.join(problems)[:600]}. Write the checks again. "
        "Answer with the JSON object only."
    )


def _files(before: Snapshot) -> str:
    """The texts of the directory in short, the small ones first: these say most about what is there."""
    texts = [
        (path, entry.text) for path, entry in before.files.items() if entry.text and entry.kind == "file"
    ]
    parts: list[str] = []
    left = MAX_FILES
    for path, text in sorted(texts, key=lambda item: len(item[1])):
        part = f"--- {quoted(path)}\n{shortened(text.rstrip(), MAX_FILE)}"
        left -= len(part)
        if left < 0:
            break
        parts.append(part)
    return "\n".join(sorted(parts))
