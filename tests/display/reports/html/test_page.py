"""A page: what it says, and that nothing foreign acts in it."""

import json
import posixpath
from html.parser import HTMLParser

import pytest

from agentbatch.display.reports.html.page import Limits, html_file, html_folder
from agentbatch.display.reports.material import Material, names_of
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.records import Records
from agentbatch.workspace.files.diff.file_diff import FileChange
from tests.runs.finished_run import a_finished_run
from tests.support.run_events import NOON

EVIL = """</pre></script></style><script>alert(1)</script><img src=x onerror="alert(2)">'"&amp;{{ 7*7 }}{% raw %}
\x00\x1b[31m\x1b]8;;javascript:alert(3)\x07\u202ereversed\ud800"""


class Page(HTMLParser):
    """Its elements, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def page_of(state: RunState) -> str:
    rows = [ComparisonRow("gpt-9", 0.02, 0.04, 0.06), ComparisonRow("nobody-knows", None, None, None)]
    return "".join(html_file(Material(state, NOON + 100, comparison=rows)))


def test_a_page_says_what_became_of_the_run_and_of_its_tasks() -> None:
    page = Page(page_of(a_finished_run()))
    text = " ".join(page.text.split())
    for words in (
        "completed 1 of 4",
        "success rate 25%",
        "time 1:40",
        "cost –",
        "1 parser accepted completed 2/5 0:20 13,580 $0.0350",
        "nobody-knows – – –",
        "Iteration 1: not accepted (evaluator)",
        "one requirement is not met times are not parsed",
        "parses dates yes tests/test_dates.py passes",
        "changed tests or protected files: tests/test_primes.py",
        "no limit is set",
    ):
        assert words in text
    links = {attrs["href"] for attrs in page.all("a")}
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {f"#task-{name}" for name in ("parser", "csv", "primes", "docs")} <= links
    assert links <= {f"#{one}" for one in ids}


def test_nothing_comes_from_elsewhere() -> None:
    page = Page(page_of(a_finished_run()))
    assert not [tag for tag, _ in page.tags if tag in ("link", "img", "iframe", "object", "base")]
    assert not [attrs for _, attrs in page.tags if "src" in attrs]
    assert all(str(attrs["href"]).startswith("#") for attrs in page.all("a"))
    assert "url(" not in page_of(a_finished_run())


def evil_run() -> RunState:
    """All that is not ours is hostile."""
    state = a_finished_run(answer=EVIL, run_id=EVIL)
    assert state.info is not None
    names = ("coder_model", "evaluator_model", "coder_endpoint", "evaluator_endpoint", "task_file", "version")
    state.info = state.info.model_copy(update=dict.fromkeys(names, EVIL))
    state.notices = [EVIL]
    state.bills = tuple(bill.model_copy(update={"model": EVIL}) for bill in state.bills)
    for task in list(state.tasks.values()):
        records = [
            record.model_copy(
                update={
                    "refusals": [EVIL],
                    "tampering": [EVIL],
                    "follow_up": EVIL,
                    "verdict": {
                        "missing": [EVIL],
                        "requirements": [
                            {
                                "text": EVIL,
                                "met": True,
                                "evidence": [{"ref": EVIL, "quote": EVIL, "where": EVIL}],
                            }
                        ],
                    },
                }
            )
            for record in task.verdicts
        ]
        changed = {
            "dir": EVIL,
            "first_prompt": EVIL,
            "error": EVIL,
            "branch": EVIL,
            "verdicts": tuple(records),
        }
        state.put(task.model_copy(update=changed))
    (docs,) = [task for task in state.tasks.values() if task.id == "docs"]
    state.put(docs.model_copy(update={"id": EVIL, "index": 9, "last_evaluation": EVIL}))
    return state


class Kept(Records):
    """Of every task the same."""

    def __init__(self, text: str) -> None:
        super().__init__(None)
        self._text = text

    def changes(self, task_id: str) -> list[FileChange]:
        lines = ("@@ -1,1 +1,1 @@", f"-{self._text}", f"+{self._text}", " same")
        return [
            FileChange(self._text, "100644", "100644", lines),
            FileChange("b", "", "100644", note=self._text),
        ]

    def events(self, task: TaskState) -> list[e.Event]:
        call = {
            "id": "a",
            "function": {"name": self._text, "arguments": json.dumps({self._text: self._text})},
        }
        said = {"role": "assistant", "content": self._text, "reasoning": self._text, "tool_calls": [call]}
        asked = {"role": "user", "content": self._text}
        answer = {"role": "tool", "content": self._text, "tool_call_id": "a"}
        ended = e.ToolFinished(task_id=task.id, call_id="a", tool="x", ok=True, seconds=1, summary=self._text)
        check = e.CheckFinished(task_id=task.id, command=self._text, exit_code=1, tail=self._text, seconds=1)
        told = [
            e.MessageAdded(task_id=task.id, index=place, message=message)
            for place, message in enumerate((asked, said, answer))
        ]
        return [*told, ended, check]


def test_changes_and_transcript() -> None:
    page = Page("".join(html_file(Material(a_finished_run(), NOON, records=Kept("make test")))))
    text = " ".join(page.text.split())
    assert "make test changed +1 −1 @@ -1,1 +1,1 @@ -make test +make test same b added make test" in text
    assert (
        "Transcript told to the coder make test coder make test thoughts 9 characters make test "
        "make test make test make test 1.0s make test make test answer make test "
        "verify: make test exit 1 1.0s command make test output make test"
    ) in text


def test_hostile_changes_and_transcripts_are_text_too() -> None:
    for records in (Records(None), Kept(EVIL)):
        evil = "".join(html_file(Material(evil_run(), NOON, records=records)))
        good = Page("".join(html_file(Material(a_finished_run(), NOON, records=Kept("x")))))
        page = Page(evil)
        assert {tag for tag, _ in page.tags} <= {tag for tag, _ in good.tags} | {"q", "br"}
        assert (len(page.all("script")), len(page.all("style"))) == (1, 2)
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
        assert "{{ 7*7 }}" in page.text
        assert not [sign for sign in "\x00\x1b\u202e\ud800" if sign in evil]


def test_a_folder_has_a_page_a_task_and_all_links_lead_somewhere() -> None:
    pages = {
        name: "".join(text) for name, text in html_folder(Material(evil_run(), NOON, records=Kept(EVIL)))
    }
    assert len(pages) == 1 + 5
    for name, text in pages.items():
        page = Page(text)
        assert "src" not in {name for _, attrs in page.tags for name in attrs}
        for link in (str(attrs["href"]) for attrs in page.all("a")):
            place = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
            assert link.startswith("#") or place in pages


def test_of_many_tasks_the_details_are_text_until_they_are_opened() -> None:
    state = evil_run()
    tasks, limits = len(state.tasks), Limits(at_once=2, lazy_above=4)
    page = Page("".join(html_file(Material(state, NOON, records=Kept(EVIL)), limits)))
    assert [script.get("type") for script in page.all("script")] == [*["text/html"] * tasks, None]
    assert len(page.all("details")) == tasks
    assert sum("hidden" in attrs for attrs in page.all("tr")) == tasks - limits.at_once
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]


def test_transcripts_for_which_there_is_no_room_are_left_out() -> None:
    text = "".join(
        html_file(Material(a_finished_run(), NOON, records=Kept("x" * 100)), Limits(transcripts=1_000))
    )
    assert (text.count(">Transcript<"), text.count("The transcript is left out")) == (1, 3)


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        (["a", "b.c-d_1"], ["task-a", "task-b.c-d_1"]),
        (
            ["a b", "a-b", "A-b", 'x"y', "é"],
            ["task-a-b-1", "task-a-b", "task-A-b-3", "task-x-y-4", "task---5"],
        ),
    ],
)
def test_every_task_has_a_link_of_its_own(ids: list[str], found: list[str]) -> None:
    first = a_finished_run().tasks["parser"]
    tasks = [first.model_copy(update={"id": name, "index": place}) for place, name in enumerate(ids)]
    assert list(names_of(tasks).values()) == found
