"""JUnit files as readers take them: their schema, what no XML may have, and how large they become."""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from agentbatch.display.reports.exports.junit import export_junit
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState, VerdictRecord, VerifyRecord
from agentbatch.tasks.results.to_state import state_of
from tests.runs.finished_run import VERDICT, a_finished_run
from tests.support.results_files import OLD
from tests.support.run_events import NOON, run_started

FIGURES = {"name", "time", "tests", "failures", "errors"}
SHAPES: Mapping[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"testsuite"}, set(), FIGURES),
    "testsuite": ({"properties", "testcase"}, FIGURES - {"time"}, FIGURES | {"skipped", "timestamp"}),
    "properties": ({"property"}, set(), set()),
    "property": (set(), {"name", "value"}, {"name", "value"}),
    "testcase": ({"failure", "error", "skipped", "system-out"}, {"name"}, {"name", "classname", "time"}),
    "failure": (set(), set(), {"type", "message"}),
    "error": (set(), set(), {"type", "message"}),
    "skipped": (set(), set(), {"type", "message"}),
    "system-out": (set(), set(), set()),
}
"""What junit-10.xsd allows, of what we write: an element's children, attributes that it has to have, and may have."""


def faults(xml: str) -> list[str]:
    found = []
    for element in ET.fromstring(xml).iter():
        children, needed, allowed = SHAPES[element.tag]
        strange = {child.tag for child in element} - children
        given = set(element.attrib)
        if strange or needed - given or given - allowed:
            found.append(f"{element.tag}: {strange or needed - given or given - allowed}")
        if not re.fullmatch(r"[0-9]*(\.[0-9]{3})?", element.get("time", "")):
            found.append(f"time {element.get('time')}")
    return found


NASTY = "\x00\x1b[31m\ud800\udcff\ufffe\x85\u2028\u202e]]>--><!--&amp;</failure><x a='\"\n\t\r\U0001f600"


def hostile_run(tasks: int, text: str) -> RunState:
    """A run whose every name and text is of somebody who wishes it ill."""
    state = RunState()
    state.apply(
        run_started(
            tasks,
            run_id=text,
            task_file=text.replace("/", "") + ".json",
            coder_model=text,
            evaluator_model=text,
        )
    )
    verdict = {**VERDICT, "missing": [text] * 3}
    record = VerdictRecord(
        iteration=1, accepted=False, verdict=verdict, refusals=[text], tampering=[text], follow_up=text
    )
    ends = [
        ("error", "internal_error"),
        ("timeout", "stalled"),
        ("skipped", "dependency"),
        ("completed", "accepted"),
    ]
    for index in range(tasks):
        status, reason = ends[index % (4 if tasks < 10 else 2)]
        fields: dict[str, Any] = {
            "id": f"{text}{index}", "index": index, "dir": text, "first_prompt": text, "max_iterations": 3,
            "iteration": 1, "status": status, "reason": reason, "error": text, "last_evaluation": text,
            "verdicts": (record,), "started_at": NOON, "finished_at": NOON - 5,
            "last_verify": VerifyRecord(command=text, exit_code=1, tail=text),
        }  # fmt: skip
        state.put(TaskState.model_construct(**fields))
    return state


@pytest.mark.parametrize(
    "state",
    [RunState(), state_of(OLD), a_finished_run(), hostile_run(4, NASTY)],
    ids=["empty", "old", "finished", "hostile"],
)
def test_it_has_the_shape_that_jenkins_takes(state: RunState) -> None:
    assert faults(export_junit(state, NOON + 100)) == []


@pytest.mark.slow
def test_5000_failures_are_below_what_gitlab_reads() -> None:
    xml = export_junit(hostile_run(5_000, "\"'\U0001f600&" * 100), NOON + 100)
    assert 10_000_000 < len(xml.encode()) < 30_000_000
    assert faults(xml) == []
