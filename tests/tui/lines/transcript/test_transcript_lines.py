"""Blocks as lines of the screen, whatever stands in them."""

import json
import re
from typing import Any

import pytest
from textual.content import Content

from agentbatch.runs import events as e
from agentbatch.runs.state.task_state import Activity, TaskState
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import (
    MAX_LINE,
    Line,
    as_text,
    clipped,
    laid_out,
    plain_lines,
    row,
    shortened,
)
from agentbatch.tui.lines.transcript.block_lines import Scene, lines_of, live_lines, opens
from agentbatch.tui.lines.transcript.blocks import (
    Block,
    Call,
    Check,
    CoderMessage,
    Compacted,
    End,
    Head,
    Judged,
    Key,
    Note,
    Thought,
)

HOSTILE = [
    "[bold]markup[/bold] [@click=app.quit]x[/]",
    "\x1b]52;c;aGFsbG8=\x07after",
    "\x1b[2J\x1b[31mred\x1b[0m \x9b5mblink",
    "abc\u202egnp.exe\u2066",
    "\ud800 lone \udfff",
    "\x00\x07\x08\x7f bell",
    "x" * 20_000,
    "字" * 3_000,
    "e" + "\u0301" * 5_000,
    "\t\tdeep\tcolumns",
    "a\rb\x0bc\x85d\u2028e",
    "👩‍👩‍👧‍👦 family",
]

UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

UNICODE = Glyphs()
KEY, ANSWER = Key(0, 2), Key(0, 3)


def scene(content: str = "", answer: str = "", calls: Any = None, *, plain: bool = False) -> Scene:
    said = {"role": "assistant", "content": content, "reasoning_content": content, "tool_calls": calls or []}
    return Scene(
        Glyphs(plain), {KEY: said, ANSWER: {"role": "tool", "content": answer}}, "/runs/coder.traj.json"
    )


def asked(tool: str, arguments: Any) -> list[dict[str, Any]]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return [{"id": "c", "type": "function", "function": {"name": tool, "arguments": text}}]


def call(tool: str = "bash", summary: str = "make", **fields: Any) -> Call:
    return Call("c", tool, summary, KEY, ANSWER, **{"stage": "done", "seconds": 1.25, **fields})


def text_of(block: Block, opened: bool, given: Scene) -> str:
    return as_text(lines_of(block, opened, given))


def rows(lines: list[Line], columns: int, glyphs: Glyphs = UNICODE) -> list[Content]:
    return [row for line in lines for row in laid_out(line, columns, glyphs)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\n\nb", ["a", "", "b"]),
        ("", []),
        ("  keeps   its spaces", ["  keeps   its spaces"]),
        ("\tif x:\n\t\ty", ["    if x:", "        y"]),
        ("ab\tc", ["ab  c"]),
        ("a\r\nb\rc", ["a", "b", "c"]),
        ("a\x0bb\u2028c\x85d", ["a", "b", "c", "d"]),
        ("  \x1b[31mred\x1b[0m  end", ["  red  end"]),
        ("\x1b]52;c;aGFsbG8=\x07safe", ["safe"]),
        ("a\u202eb", ["ab"]),
        ("a\udc80b", ["a\ufffdb"]),
        ("[bold]x[/bold]", ["[bold]x[/bold]"]),
        ("trailing   ", ["trailing"]),
    ],
)
def test_foreign_text_as_plain_lines(text: str, lines: list[str]) -> None:
    assert plain_lines(text) == lines


def test_an_overlong_line_is_cut_with_a_word_about_it() -> None:
    (line,) = plain_lines("x" * 100_000)
    assert line == "x" * MAX_LINE + f" [... {100_000 - MAX_LINE:,} characters more]"


@pytest.mark.parametrize("columns", [2, 7, 40, 120])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_row_is_wider_than_its_room_or_can_act_on_a_terminal(text: str, columns: int) -> None:
    verdict = {
        "requirements": [
            {"text": text, "met": True, "evidence": text},
            {"text": text, "met": True, "evidence": [{"ref": text, "quote": text, "where": text}]},
        ],
        "missing": [text],
        "score": 1.0,
    }
    event = e.VerdictReached(
        task_id="t", iteration=1, accepted=False, verdict=verdict, refusals=[text], tampering=[text],
        checks=[e.CheckLine(kind="own", command=text, passed=False, requirement=text, note=text)],
        decision="continue",
    )  # fmt: skip
    given = scene(
        text, text, asked("edit_file", {"path": text, "old_string": text, "new_string": f"{text}2"})
    )
    blocks: list[Block] = [
        Head(1, 9, text, 0.0), CoderMessage(KEY), Thought(KEY), call(text, text, note=text), call("edit_file", text),
        Check(text, "done", 1, text, 1.0),
        Check(text, "done", 1, text, 1.0, "own", text), Judged(event), Note(text), End("error", text, text, text),
        Compacted(9, 3, KEY),
    ]  # fmt: skip
    lines = {line for block in blocks for opened in (False, True) for line in lines_of(block, opened, given)}
    for shown in rows(list(lines), columns):
        assert shown.cell_length <= columns
        assert not UNSAFE.search(shown.plain)


def test_one_row_keeps_its_end_and_cuts_its_text() -> None:
    line = row([("bash ", "bold"), ("x" * 90, "")], "exit 0 0.1s")
    (shown,) = laid_out(line, 40, Glyphs())
    assert shown.plain == f"bash {'x' * 22}… exit 0 0.1s"
    assert clipped("abcdef", 4, Glyphs(ascii=True)) == "abc~"


def test_what_a_search_finds_is_marked() -> None:
    (shown,) = laid_out(Line("one Two two"), 40, Glyphs(), re.compile("two", re.IGNORECASE))
    assert [(span.start, span.end) for span in shown.spans if span.style == "reverse"] == [(4, 7), (8, 11)]


def test_a_long_text_loses_its_middle() -> None:
    lines = [Line(str(n)) for n in range(100)]
    cut = shortened(lines, 10, "{} more")
    assert [line.text for line in cut] == ["0", "1", "2", "3", "4", "90 more", "95", "96", "97", "98", "99"]


@pytest.mark.parametrize(
    ("block", "head"),
    [
        (call(exit_code=0), "▸ ✓ bash make  (exit 0 1.2s)"),
        (call(ok=False, exit_code=2), "▸ ✗ bash make  (exit 2 1.2s)"),
        (call("edit_file", "a.py", note="1 replaced"), "▸ ✓ edit_file a.py  1 replaced  (ok 1.2s)"),
        (call("edit_file", "a.py", ok=False), "▸ ✗ edit_file a.py  (failed 1.2s)"),
        (call(stage="running"), "▸ ● bash make  (running)"),
        (call(stage="interrupted"), "▸ ○ bash make  (interrupted)"),
        (Check("make", "running"), "▸ ◆ verify make  (running)"),
        (Check("make", "done", 0, "fine", 1.0), "▸ ✓ verify make  (exit 0 1.0s)"),
        (Check("make", "done", None, "", 1.0), "▸ ✗ verify make  (out of time 1.0s)"),
        (Check("npm ci", "running", kind="setup"), "▸ ◆ setup npm ci  (running)"),
        (Check("npm ci", "done", 3, "E404", 1.0, "setup"), "▸ ✗ setup npm ci  (exit 3 1.0s)"),
        (Check("the task's examples", kind="example"), "▸ ◆ check the task's examples  (running)"),
        (
            Check("set -e", "done", 1, "", 1.0, "own", "it runs"),
            "▸ ✗ evaluator's check it runs  (failed 1.0s)",
        ),
        (Thought(KEY), "▸ Reasoning"),
    ],
)
def test_a_closed_block_is_one_line_with_sign_and_word(block: Block, head: str) -> None:
    assert text_of(block, False, scene()) == head


def test_a_call_that_was_never_carried_out_has_its_name_from_the_message() -> None:
    skipped = Call("c", "", "", KEY, ANSWER, "not run", ok=False)
    shown = text_of(skipped, True, scene(answer="Skipped.", calls=asked("bash", {"command": "rm x"})))
    assert shown.splitlines() == ["▾ ○ bash  (not run)", "    $ rm x", "    Skipped."]


def test_an_opened_command_shows_command_and_output() -> None:
    given = scene(
        answer="one\n\ttwo\n[exit 0, 0.1 s]", calls=asked("bash", {"command": "a\nb", "timeout": 9})
    )
    assert text_of(call(exit_code=0), True, given).splitlines()[1:] == [
        "    $ a", "    b", "    timeout: 9", "    one", "        two", "    [exit 0, 0.1 s]",
    ]  # fmt: skip


def test_an_edit_is_a_diff_with_signs_and_colours() -> None:
    arguments = {"path": "a.py", "old_string": "x\ny = 1\nz", "new_string": "x\ny = 2\nz"}
    lines = lines_of(
        call("edit_file", "a.py"), True, scene(answer="Edited.", calls=asked("edit_file", arguments))
    )
    assert [line.text for line in lines[1:]] == ["path: a.py", "  x", "- y = 1", "+ y = 2", "  z", "Edited."]
    assert [line.style for line in lines[3:5]] == ["$text-error", "$text-success"]


def test_a_written_file_is_all_new_lines() -> None:
    given = scene(answer="Wrote.", calls=asked("write_file", {"path": "a", "content": "1\n\n2\n"}))
    assert [line.text for line in lines_of(call("write_file", "a"), True, given)[1:]] == [
        "path: a", "+ 1", "+ ", "+ 2", "Wrote.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"invalid_json": "{\\"command\\": oops"}', '{"command": oops'),
        ("not json at all", "not json at all"),
        ('{"command": 7}', "command: 7"),
        ('{"other": "x\\ny"}', "x"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_arguments_of_any_shape_are_shown(arguments: str, shown: str) -> None:
    assert shown in text_of(call(), True, scene(calls=asked("bash", arguments)))


def test_a_long_output_is_cut_and_names_the_file_of_the_whole() -> None:
    output = "\n".join(f"line {n}" for n in range(400))
    marked = output.replace(
        "line 200\n", "[... about 9 characters left out here; the whole output is in /r/o.txt ...]\n"
    )
    cut = text_of(call(), True, scene(answer=marked))
    assert "… 200 lines more; the whole output is in /r/o.txt" in cut
    assert "line 0" in cut
    assert "line 399" in cut
    assert "… 200 lines more; the whole: /runs/coder.traj.json" in text_of(call(), True, scene(answer=output))


def test_a_long_prompt_opens() -> None:
    head, given = Head(2, 9, "\n".join(f"p{n}" for n in range(30)), 0.0), scene()
    assert opens(head, given)
    assert "20 lines more" in text_of(head, False, given)
    assert "p29" in text_of(head, True, given)
    assert not opens(Head(1, 9, "short", 0.0), given)


def test_a_verdict_says_what_is_met_and_why_not_accepted() -> None:
    verdict = {
        "requirements": [
            {"text": "runs", "met": True, "evidence": "exit 0"},
            {"text": "is fast", "met": False, "evidence": ""},
        ],
        "missing": ["speed"],
        "blocked": True,
        "score": 0.4,
    }
    event = e.VerdictReached(
        task_id="t", iteration=1, accepted=False, verdict=verdict, refusals=["Not complete."], tampering=["t.py"],
        decision="continue",
    )  # fmt: skip
    assert text_of(Judged(event), True, scene()).splitlines() == [
        "▾ ✗ Not accepted  (evaluator, score 0.40)",
        "  ✓ met: runs",
        "      exit 0",
        "  ✗ not met: is fast",
        "  ! blocked: the evaluator sees no way to do it",
        "  missing: speed",
        "  because: Not complete.",
        "  ! changed tests or protected files: t.py",
    ]
    alone = event.model_copy(
        update={"accepted": True, "decided_by": "verify", "verdict": None, "tampering": []}
    )
    assert text_of(Judged(alone), True, scene()) == "▾ ✓ Accepted  (verify)"


@pytest.mark.parametrize(
    "verdict", [{}, {"requirements": "x", "missing": 3, "score": None}, {"requirements": [1]}]
)
def test_a_verdict_of_another_shape_harms_nothing(verdict: dict[str, object]) -> None:
    event = e.VerdictReached(task_id="t", iteration=1, accepted=False, verdict=verdict, decision="done")
    assert "Not accepted" in text_of(Judged(event), True, scene())


def test_ascii_has_no_other_signs() -> None:
    blocks: list[Block] = [
        Head(1, 9, "\n".join("p" * 40), 0.0), call(exit_code=0), call(ok=False), Check("x" * 99, "done", 1, "", 1.0),
        Thought(KEY), Note("n"), Note("n", "error"), End("timeout", "wall_clock"), Compacted(9, 3, KEY),
    ]  # fmt: skip
    given = scene("text", "answer", plain=True)
    shown = [
        part for b in blocks for o in (False, True) for part in rows(lines_of(b, o, given), 40, given.glyphs)
    ]
    assert all(part.plain.isascii() for part in shown), [
        part.plain for part in shown if not part.plain.isascii()
    ]


def state(**activity: Any) -> TaskState:
    return TaskState(
        id="t",
        index=0,
        dir="d",
        first_prompt="",
        max_iterations=3,
        activity=Activity.model_validate(activity),
    )


def test_what_goes_on_now() -> None:
    writing = live_lines(state(kind="generating", tokens=1234, text="def f():\n\treturn"), Glyphs())
    assert as_text(writing).splitlines() == [
        "● The coder is writing…  (≈1,234 tokens)", "  def f():", "      return",
    ]  # fmt: skip
    assert "The evaluator is judging" in as_text(live_lines(state(kind="judging"), Glyphs()))
    assert "requests per minute" in as_text(
        live_lines(state(kind="waiting", detail="requests per minute"), Glyphs())
    )
    retrying = live_lines(state(kind="retrying", retries=2, detail="HTTP 503"), Glyphs())
    assert "Attempt 2 failed" in as_text(retrying)
    assert live_lines(state(kind="tool", tool="bash"), Glyphs()) == []
    held = state().model_copy(update={"paused": True})
    assert "Paused" in as_text(live_lines(held, Glyphs()))
    over = state(kind="generating").model_copy(update={"finished_at": 1.0})
    assert live_lines(over, Glyphs()) == []
