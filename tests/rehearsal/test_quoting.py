"""Scripted verdicts quote what their judge is shown."""

from typing import Any

import pytest

from agentbatch.rehearsal.quoting import quoted

FILE = "[F1] file prog.py (added)\n\nprint(8)\n"
OLD = "[C1] command, exit 0, before the last change: python3 prog.py\n7\n"
RUN = "[C2] command, exit 0: python3 prog.py\n8 in all\n"
FAILED = "[C3] command, exit 1: python3 prog.py x\nError\n"
SOUND = "[K1] check sound, passed: the form of the changed files\n"
EXAMPLE = "[K2] check example, passed: f(1) == 2\n"
VERIFY = "[V1] verify, passed: make test\n9 tests\n"
VERIFY_FAILED = "[V1] verify, failed (exit code 1): make test\n9 tests\n"


def evidence(*pieces: str) -> list[dict[str, Any]]:
    parts = "".join(f"[abcdef some pieces]\n{piece}[/abcdef]\n" for piece in pieces)
    content = f"Iteration 1 of 10.\n\n[abcdef task, word for word]\nDo it.\n[/abcdef]\n{parts}\nJudge now."
    return [{"role": "system", "content": "[V9] verify, passed: no"}, {"role": "user", "content": content}]


@pytest.mark.parametrize(
    ("marked", "pieces", "ref", "words"),
    [
        ("@", (FILE,), "F1", "print(8)"),
        ("@", (FILE, OLD), "F1", "print(8)"),
        ("@", (FILE, OLD, RUN, FAILED), "C2", "8 in all"),
        ("@", (FILE, RUN, SOUND), "C2", "8 in all"),
        ("@", (FILE, RUN, SOUND, EXAMPLE), "K2", "passed"),
        ("@", (FILE, RUN, EXAMPLE, VERIFY), "V1", "passed"),
        ("@", (FILE, RUN, VERIFY_FAILED), "C2", "8 in all"),
        ("@", (FILE, "[C2] command, exit 0: a\n> 8\n"), "C2", "exit 0"),
        ("@", (FILE, "[K2] check load, passed: load prog.py\n8\n"), "F1", "print(8)"),
        ("@ 8 in all", (FILE, RUN, VERIFY), "C2", "8 in all"),
        ("@ print(8)", (FILE, RUN, VERIFY), "F1", "print(8)"),
        ("@ print", (FILE, "[C2] command, exit 0: a\n> print(8)\n8\n"), "F1", "print"),
        ("@ not there", (FILE, RUN, VERIFY), "V1", "passed"),
        ("@", ("[F1] file old.txt (deleted)\n@@ -1,1 +0,0 @@\n-x\n",), "F1", "deleted"),
    ],
)
def test_a_mark_becomes_a_quote(marked: str, pieces: tuple[str, ...], ref: str, words: str) -> None:
    verdict = {"complete": True, "requirements": [{"text": "a", "met": True, "evidence": marked}]}
    (requirement,) = quoted(verdict, evidence(*pieces))["requirements"]
    assert requirement["evidence"] == [{"ref": ref, "quote": words}]
    assert verdict["requirements"][0]["evidence"] == marked  # type: ignore[index]


@pytest.mark.parametrize(("mark", "shown"), [("@", "Nothing shows it."), ("@ Ran 6 tests", "Ran 6 tests")])
def test_where_there_is_nothing_to_quote_no_mark_is_left(mark: str, shown: str) -> None:
    verdict = {"requirements": [{"text": "a", "met": False, "evidence": mark}]}
    (requirement,) = quoted(verdict, evidence())["requirements"]
    assert requirement["evidence"] == shown


@pytest.mark.parametrize("given", ["prose", [{"ref": "C1", "quote": "8"}]])
def test_what_is_no_mark_stays(given: Any) -> None:
    verdict = {"requirements": [{"text": "a", "met": True, "evidence": given}]}
    assert quoted(verdict, evidence(FILE)) == verdict
    assert quoted({"complete": True}, evidence(FILE)) == {"complete": True}
