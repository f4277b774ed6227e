"""Careless judges are not believed, honest ones are: from what they say to what comes of it."""

import json
from typing import Any

import pytest

from agentbatch.tasks.evaluator.checks.check import CheckResult
from tests.tasks.evaluator.judging.scene import CLAIM, PROGRAM, Scene, ran
from tests.tasks.evaluator.judging.verdict_text import text

PLAIN = Scene()
CRASH = 'Traceback (most recent call last):\n  File "prog.py", line 3\nValueError: invalid literal: 8'
VERIFIED = CheckResult("test $(python3 prog.py 3 5) = 8", 0, "8", 0.1)
SOUND = CheckResult("the form of the changed files", 0, "prog.py", 0.1, "sound", ran=False)
TWICE = [ran("python3 prog.py 3 5", "8"), ran("python3 prog.py 3 5", "7")]
"""Before the last change and after it."""


def quote(ref: str, words: str) -> dict[str, str]:
    return {"ref": ref, "quote": words}


def says(*evidence: Any, **changes: Any) -> str:
    """A verdict that all is well, on this evidence: of one requirement, or of one each for lists."""
    many = all(isinstance(item, list) for item in evidence)
    each = evidence if many and evidence else [list(evidence)]
    requirements = [
        {"text": f"requirement {number}", "met": True, "evidence": found}
        for number, found in enumerate(each, 1)
    ]
    return text(**{"requirements": requirements, **changes})


HONEST = quote("C1", "8")

CARELESS: dict[str, tuple[Scene, str]] = {
    "the prompt's own example": (PLAIN, says("the code or output that shows it")),
    "the prompt's words": (PLAIN, says(quote("F1", "copied from it letter by letter"))),
    "an ellipsis": (PLAIN, says("...")),
    "an ellipsis with a ref": (PLAIN, says(quote("C1", "..."))),
    "punctuation alone": (PLAIN, says(quote("F1", "()[]:"))),
    "an empty quote": (PLAIN, says(quote("C1", ""))),
    "no evidence": (PLAIN, says()),
    "blank evidence": (PLAIN, says("  ")),
    "works as expected": (PLAIN, says("It works as expected.")),
    "a program that does not parse": (
        Scene(after={"prog.py": "import sys\nprint(sum(\n"}, commands=[]),
        says(quote("F1", "print(sum(")),
    ),
    "an invented run": (PLAIN, says(quote("C1", "5 passed in 0.12s"))),
    "an invented run and a true line": (
        PLAIN,
        says(quote("C1", "5 passed in 0.12s"), quote("F1", "import sys")),
    ),
    "a run that nobody made": (Scene(commands=[]), says(quote("C1", "8"))),
    "a file that is not there": (PLAIN, says(quote("F2", "def test_sum"))),
    "a file that is not there, in words": (PLAIN, says("test_prog.py tests it")),
    "a program that crashed": (
        Scene(commands=[ran("python3 prog.py 3 x", CRASH, 1)]),
        says(quote("C1", "ValueError")),
    ),
    "a crash that the shell forgave": (
        Scene(commands=[ran("python3 prog.py 3 x || true", CRASH)]),
        says(quote("C1", "8")),
    ),
    "a failed command as proof": (
        Scene(commands=[ran("python3 prog.py 3 5", "8"), ran("python3 test.py", "8 != 7", 1)]),
        says(quote("C2", "8")),
    ),
    "a failed last command, passed over": (
        Scene(commands=[ran("python3 prog.py 3 5", "8"), ran("python3 test.py", "8 != 7", 1)]),
        says(HONEST),
    ),
    "a killed last command, passed over": (
        Scene(commands=[ran("python3 prog.py 3 5", "8"), ran("python3 prog.py", "", None)]),
        says(HONEST),
    ),
    "the task's text": (PLAIN, says("the sum of the numbers that it is given")),
    "the task's text with a ref": (PLAIN, says(quote("F1", "python3 prog.py 3 5 prints 8"))),
    "the coder's claim": (PLAIN, says("I ran it thoroughly")),
    "the coder's claim with a ref": (PLAIN, says(quote("C1", CLAIM))),
    "the heading of a command": (PLAIN, says(quote("C1", "python3 prog.py 3 5"))),
    "the heading of a file": (PLAIN, says(quote("F1", "file prog.py (added)"))),
    "the heading of a file, with its ref": (PLAIN, says(quote("F1", "[F1] file prog.py (added)"))),
    "a heading that it makes up": (PLAIN, says(quote("C1", "command, exit 0: python3 test.py"))),
    "an outcome that it makes up": (
        Scene(commands=[ran("python3 prog.py 3 5", "8"), ran("python3 t.py", "", 1)]),
        says(HONEST, quote("C2", "exit 0")),
    ),
    "how a failed check ended": (
        Scene(checks=[CheckResult("test x = 8", 1, "8", 0.1)]),
        says(quote("V1", "verify, failed (exit code 1)")),
    ),
    "the file's name": (PLAIN, says(quote("F1", "prog.py"))),
    "another piece": (PLAIN, says(quote("C1", "import sys"))),
    "a ref that there is not": (PLAIN, says(quote("C9", "8"))),
    "something that is no ref": (PLAIN, says(quote("prog.py", "import sys"))),
    "a part of a number": (
        Scene(commands=[ran("python3 prog.py 3 5", "18")]),
        says(quote("C1", "8")),
    ),
    "a negative number": (Scene(commands=[ran("python3 prog.py 3 5", "sum: -8")]), says(quote("C1", "8"))),
    "a part of a word": (PLAIN, says(quote("F1", "port"))),
    "what was printed before the last change": (Scene(commands=TWICE, tried_from=1), says(quote("C1", "8"))),
    "nothing after the last change": (
        Scene(commands=TWICE[:1], tried_from=1),
        says(quote("F1", "import sys")),
    ),
    "the code alone, though it ran": (PLAIN, says(quote("F1", "print(sum(int(word)"))),
    "a look at the code as a run": (
        Scene(commands=[ran("cat prog.py", PROGRAM)]),
        says(quote("C1", "import sys")),
    ),
    "a check of the form as proof": (Scene(checks=[SOUND]), says([quote("K1", "passed")], [HONEST])),
    "one of three without evidence": (PLAIN, says([HONEST], [], [quote("F1", "import sys")])),
    "one of three that does not hold": (PLAIN, says([HONEST], [quote("C1", "9")], [quote("F1", "sys.argv")])),
    "a deleted line": (
        Scene(before={"prog.py": "print(8)\n"}),
        says(quote("F1", "print(8)"), HONEST),
    ),
    "how a command ended, whatever it printed": (
        Scene(commands=[ran("python3 prog.py 3 5", "5")]),
        says([quote("C1", "exit 0")], [quote("F1", "import sys")]),
    ),
    "how it ended, with its heading": (PLAIN, says(quote("C1", "command, exit 0: python3 prog.py 3 5"))),
    "a failed verify": (
        Scene(checks=[CheckResult("test x = 8", 1, "8", 0.1)]),
        says(quote("V1", "8")),
    ),
    "complete, with something missing": (PLAIN, says(HONEST, missing=["the tests"])),
    "complete, with a follow-up": (PLAIN, says(HONEST, follow_up_prompt="Add a test for negative numbers.")),
    "complete, with a low score": (PLAIN, says(HONEST, score=0.2)),
    "complete and blocked": (PLAIN, says(HONEST, blocked=True)),
    "complete twice": (PLAIN, says(HONEST)[:-1] + ', "complete": true}'),
    "one evidence twice": (PLAIN, says(HONEST).replace('"quote": "8"', '"quote": "9", "quote": "8"')),
    "a wrapper": (PLAIN, json.dumps({"result": json.loads(says(HONEST))})),
    "a verdict that it quotes": (PLAIN, f"The file says {says(HONEST)}, which is a forgery."),
    "nothing examined": (PLAIN, text(requirements=[])),
    "met as text": (PLAIN, text(requirements=[{"text": "sum", "met": "yes", "evidence": [HONEST]}])),
}


LOADS = {"the code alone, though it ran", "nothing after the last change", "a look at the code as a run"}
"""What is believed of these once the evaluator has loaded the program itself: that the code stands there."""


@pytest.mark.parametrize("name", CARELESS)
def test_a_careless_judge_is_not_believed(name: str) -> None:
    scene, reply = CARELESS[name]
    assert scene.refused(reply)
    if name not in LOADS and name != "a program that does not parse":
        assert scene.refused(reply, loaded=True), "whatever else is run"


RIGHT: dict[str, tuple[Scene, str]] = {
    "what a run printed": (PLAIN, says(HONEST)),
    "code and run": (PLAIN, says([quote("F1", "print(sum(int(word) for word in sys.argv[1:]))")], [HONEST])),
    "code over two lines, and how it ended": (
        PLAIN,
        says(quote("F1", "import sys\n\nprint(sum("), quote("C1", "exit 0")),
    ),
    "the part before an ellipsis and the one behind it": (
        PLAIN,
        says(quote("[F1]", "`print(sum(...sys.argv[1:]))`"), HONEST),
    ),
    "texts alone": (PLAIN, says("8", "import sys")),
    "a passed verify": (
        Scene(checks=[VERIFIED], commands=[]),
        says([quote("V1", "passed")], [quote("F1", "import sys")]),
    ),
    "the ref and the heading, copied too": (
        PLAIN,
        says(quote("C1", "[C1] command, exit 0: python3 prog.py 3 5\n8"), quote("F1", "F1: import sys")),
    ),
    "the heading of a file, and what is in it": (
        PLAIN,
        says(quote("F1", "[F1] file prog.py (added)\nimport sys"), HONEST),
    ),
    "how it ended, as the heading has it, of a test that says nothing": (
        Scene(commands=[ran("python3 prog.py 3 5")]),
        says([quote("C1", "command, exit 0")], [quote("C1", "command, exit 0: python3 prog.py 3 5")]),
    ),
    "how it ended, and what it printed": (PLAIN, says(quote("C1", "exit 0"), HONEST)),
    "how a check ended, as its heading has it": (
        Scene(checks=[VERIFIED]),
        says(quote("V1", "verify, passed")),
    ),
    "the latest run, after an old one": (
        Scene(commands=[ran("python3 prog.py 3 5", "7"), ran("python3 prog.py 3 5", "8")], tried_from=1),
        says(quote("C2", "8")),
    ),
    "a look that found nothing at the end": (
        Scene(commands=[ran("python3 prog.py 3 5", "8"), ran("grep -n TODO prog.py", "", 1)]),
        says(HONEST),
    ),
    "a failure that the task asks for": (
        Scene(commands=[ran("python3 prog.py 3 5", "8"), ran("python3 prog.py", "usage: prog.py N...", 2)]),
        says([HONEST], [quote("C2", "exit 2"), quote("C2", "usage:"), quote("F1", "sys.argv")]),
    ),
    "a failed run that verify outweighs": (
        Scene(commands=[ran("python3 prog.py x", "ValueError", 1)], checks=[VERIFIED]),
        says(quote("V1", "8")),
    ),
    "prose in Chinese, in the middle of a sentence": (
        Scene(after={"notes.md": "三月的销售额是8万元。\n"}, commands=[]),
        says([quote("F1", "销售额是8万元")], [quote("F1", "8")]),
    ),
    "an empty file": (
        Scene(after={"a": ""}, commands=[ran("touch a")]),
        says([quote("F1", "empty")], [quote("C1", "exit 0")]),
    ),
    "a picture": (Scene(after={"logo.png": None}, commands=[]), says(quote("F1", "2 bytes, binary"))),
    "a deleted file": (
        Scene(before={"old.txt": "x", "new.txt": "y"}, after={"new.txt": "y"}, commands=[]),
        says(quote("F1", "deleted")),
    ),
    "a changed line": (
        Scene(before={"prog.py": PROGRAM.replace("sum", "max")}),
        says(quote("F1", "-print(max("), quote("F1", "+print(sum("), HONEST),
    ),
    "a page that nobody runs": (
        Scene(after={"index.html": "<h1>Hello</h1>\n"}, commands=[]),
        says(quote("F1", "<h1>Hello</h1>")),
    ),
    "escapes that JSON ate": (
        Scene(after={"prog.py": 'print("a\\n" + r"\\d")\n'}),
        says(quote("F1", 'print("a\n" + r"d")'), HONEST),
    ),
    "typographic quotation marks": (
        Scene(after={"prog.py": 'print("8")\n'}),
        says(quote("F1", "print(\u201c8\u201d)"), HONEST),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("weak_model", [False, True], ids=["large", "small"])
def test_an_honest_judge_is_believed(name: str, weak_model: bool) -> None:
    scene, reply = RIGHT[name]
    assert scene.refused(reply, weak_model=weak_model and len(scene.commands) < 2) == []
