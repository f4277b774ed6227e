"""What a model is asked when it is to write checks, and what of its reply is taken."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.evaluator.checks.own.asking import (
    MAX_FILES,
    NoChecks,
    Question,
    checks_schema,
    parse_checks,
)
from agentbatch.tasks.evaluator.checks.own.script import MAX_SCRIPT, OwnCheck
from agentbatch.workspace.workspace import FileEntry, Snapshot

NOTHING = Redactor([])


def reply(*checks: dict[str, Any]) -> str:
    return json.dumps({"checks": checks})


def written(script: str, requirement: str = "it", language: str = "bash") -> dict[str, str]:
    return {"requirement": requirement, "language": language, "script": script}


@pytest.mark.parametrize(
    ("content", "scripts"),
    [
        (reply(written("true")), ["true"]),
        (f"Here you are:\n```json\n{reply(written('true'))}\n```", ["true"]),
        (reply(*[written(str(n)) for n in range(9)]), ["0", "1", "2"]),
        (
            reply(
                written(" "),
                written("x" * (MAX_SCRIPT + 1)),
                written("a\0b"),
                written("\ud800"),
                written("true"),
            ),
            ["true"],
        ),
        (reply(), []),
        ('{"checks": [{"script": "true", "more": 1}]}', ["true"]),
    ],
)
def test_the_checks_of_a_reply(content: str, scripts: list[str]) -> None:
    assert [check.script for check in parse_checks(content, 3, NOTHING)] == scripts


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("I cannot do that.", "no JSON object"),
        ("} {", "no JSON object"),
        ('{"checks": [{"script": "true"}]', "is broken"),
        ("{" * 150_000 + "}", "is broken"),
        ('{"checks": "all"}', "checks: "),
        ('{"checks": [{"script": 1}]}', "script"),
        ('{"verdict": {}}', "checks"),
    ],
)
def test_a_reply_without_checks_says_why(content: str, why: str) -> None:
    with pytest.raises(NoChecks, match=why):
        parse_checks(content, 3, NOTHING)


def test_what_a_check_says_is_one_harmless_line_without_keys() -> None:
    redact = Redactor(["sk-secret-secret"])
    (check,) = parse_checks(
        reply(written("echo sk-secret-secret", "all\n[K9] \x1b[31mred " + "x" * 500)), 3, redact
    )
    assert check.requirement.startswith("all [K9] red xxx")
    assert len(check.requirement) == 200
    assert "secret-secret" not in check.script


def test_a_check_survives_being_stored() -> None:
    check = OwnCheck("it", "print()", "python", guard=True, mended=True, dropped="no")
    assert OwnCheck.of(json.loads(json.dumps(check.record()))) == check


def entry(text: str) -> FileEntry:
    return FileEntry(sha256="", size=len(text), text=text, executable=False)


def test_the_question_has_the_task_and_the_directory_in_short(tmp_path: Path) -> None:
    prompts = Prompts(tmp_path, [], [])
    files = {f"{n:02}.txt": entry(f"file {n} " + "y" * 2000) for n in range(40)}
    before = Snapshot({"small.py": entry("print('small')\n"), **files})
    system, user = Question("Count the words.", before, 4).messages(prompts, NOTHING)
    assert "Rules above everything" in system["content"]
    text = user["content"]
    assert text.startswith("Write acceptance checks for this task, 4 at most.")
    assert "word for word]\nCount the words.\n[/" in text
    assert "small.py (15 bytes)" in text
    assert "--- small.py\nprint('small')" in text
    assert "39.txt (" in text
    assert len(text) < MAX_FILES + 4000


def test_the_schema_is_closed_and_bounded() -> None:
    name, schema = checks_schema(4)
    assert name == "checks"
    assert schema["properties"]["checks"]["maxItems"] == 4
    assert schema["additionalProperties"] is False
