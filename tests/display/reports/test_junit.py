from xml.etree import ElementTree as ET

import pytest

from agentbatch.display.reports.exports.junit import export_junit, most_bytes, xml_text
from agentbatch.tasks.results.to_state import state_of
from tests.runs.finished_run import a_finished_run
from tests.support.results_files import OLD
from tests.support.run_events import NOON


def test_the_outcomes_and_what_is_said_of_them() -> None:
    root = ET.fromstring(export_junit(a_finished_run(), NOON + 100))
    tally = {
        "name": "agentbatch",
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "time": "100.000",
    }
    assert root.attrib == tally
    (suite,) = root
    of_suite = {"name": "20270115-120000-ab12", "skipped": "1", "timestamp": "2027-01-15T12:00:00"}
    assert suite.attrib == tally | of_suite
    cases = suite.findall("testcase")
    assert [(case.attrib["classname"], case.attrib["name"], case.attrib["time"]) for case in cases] == [
        ("agentbatch.parser", "parser", "20.000"),
        ("agentbatch.csv", "csv", "30.000"),
        ("agentbatch.primes", "primes", "60.000"),
        ("agentbatch.docs", "docs", "0.000"),
    ]
    ends = [[child for child in case if child.tag != "system-out"] for case in cases]
    assert [[(end.tag, end.get("type"), end.get("message")) for end in some] for some in ends] == [
        [],
        [("error", "model_error", "HTTP 500 (request 8f3a11): try again")],
        [("failure", "max_iterations", "one test fails")],
        [("skipped", None, "what it depends on is not completed")],
    ]
    assert ends[2][0].text == (
        "timeout: iteration limit reached (1 of 5 iterations, $0.0300)\n"
        "one test fails\n"
        "\n"
        "The last evaluation (iteration 1):\n"
        "- pytest -q: exit 1\n"
        "- changed test or protected file: tests/test_primes.py\n"
        "\n"
        "$ pytest -q\n"
        "1 failed\n"
        "(exit 1)"
    )
    assert cases[0].findtext("system-out") == (
        "iterations: 2\ninput_tokens: 12900\noutput_tokens: 680\ncost_usd: 0.035000"
    )


def test_an_old_results_file_is_a_report_too() -> None:
    root = ET.fromstring(export_junit(state_of(OLD), NOON + 60, "batch_results.json"))
    assert [suite.attrib["name"] for suite in root] == ["batch_results.json"]
    assert [[end.tag for end in case if end.tag != "system-out"] for case in root.iter("testcase")] == [
        [],
        ["failure"],
        ["failure"],
    ]


def test_what_no_xml_can_have_is_replaced_and_names_stay_apart() -> None:
    state = a_finished_run()
    first = state.tasks["primes"]
    state.put(first.model_copy(update={"id": "a\x00b", "error": "\x1b[31mno\ud800\ufffe]]>&<x>"}))
    state.put(first.model_copy(update={"id": "ab", "index": 7}))
    root = ET.fromstring(export_junit(state, NOON + 100))
    names = [(case.attrib["classname"], case.attrib["name"]) for case in root.iter("testcase")]
    assert len(set(names)) == len(names) == 6
    (text,) = [
        end.text
        for case in root.iter("testcase")
        if case.attrib["name"] == "ab"
        for end in case.iter("failure")
    ]
    assert text is not None
    assert "\ufffd[31mno\ufffd\ufffd]]>&<x>" in text


@pytest.mark.parametrize(
    ("text", "most", "found"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "abc\n… (1 more characters)"),
        ("&&&", 10, "&&\n… (1 more characters)"),
        ("x&&&&&", 6, "x\n… (5 more characters)"),
        ("éé", 3, "é\n… (1 more characters)"),
        ("\x00", 3, "\ufffd"),
    ],
)
def test_a_text_takes_no_more_than_its_share_as_it_is_written(text: str, most: int, found: str) -> None:
    assert xml_text(text, most) == found


def test_each_text_has_its_share_of_what_gitlab_reads() -> None:
    assert [most_bytes(tasks) for tasks in (0, 1, 800, 10_000)] == [20_000, 20_000, 20_000, 1_600]
