"""What running the checks does to the work."""

import pytest

from agentbatch.tasks.evaluator.checks.steadiness import Outputs, effect, is_program, removed, unsteady
from agentbatch.workspace.workspace import FileEntry, Snapshot


def snap(**files: str) -> Snapshot:
    """`a_py="text"` is the file a.py."""
    return Snapshot(
        {
            name.replace("_", "."): FileEntry(f"hash of {text}", len(text), text, False)
            for name, text in sorted(files.items())
        }
    )


EMPTY = snap()


@pytest.mark.parametrize(
    ("before", "seen", "after", "outputs", "altered", "made"),
    [
        # What it adds is its output; again another time, it still is.
        (EMPTY, EMPTY, snap(c_xml="1"), {}, [], {"c.xml": "hash of 1"}),
        (EMPTY, snap(c_xml="1"), snap(c_xml="2"), {"c.xml": "hash of 1"}, [], {"c.xml": "hash of 2"}),
        (EMPTY, snap(g_py="1"), snap(g_py="2"), {"g.py": "hash of 1"}, [], {"g.py": "hash of 2"}),
        # Whatever the coder has written to since is work.
        (EMPTY, snap(c_xml="x"), snap(c_xml="2"), {"c.xml": "hash of 1"}, ["c.xml"], {"c.xml": "hash of 1"}),
        (EMPTY, snap(a_py="1"), snap(a_py="2"), {}, ["a.py"], {}),
        (EMPTY, snap(a_py="1"), EMPTY, {}, ["a.py"], {}),
        # Data that lay there before, and that only a check has written to: told once, then an output.
        (snap(c_xml="1"), snap(c_xml="1"), snap(c_xml="2"), {}, ["c.xml"], {"c.xml": "hash of 2"}),
        # A program that lay there before is not.
        (snap(l_py="1"), snap(l_py="1"), snap(l_py="2"), {}, ["l.py"], {}),
        # Gone is gone.
        (EMPTY, snap(c_xml="1"), EMPTY, {"c.xml": "hash of 1"}, [], {}),
    ],
)
def test_what_a_round_did(
    before: Snapshot,
    seen: Snapshot,
    after: Snapshot,
    outputs: dict[str, str],
    altered: list[str],
    made: dict[str, str],
) -> None:
    found = effect(before, seen, after, Outputs(outputs))
    assert list(found.altered) == altered
    assert found.outputs.files == made


def test_programs_that_change_each_time_forbid_acceptance() -> None:
    seen = snap(a_py="1", r_html="1", run="#!/bin/sh\n", out_csv="1")
    assert unsteady(["a.py", "r.html", "run", "out.csv", "gone.py"], seen) == ["a.py", "run"]


def test_work_that_is_taken_away() -> None:
    seen = snap(a_py="1", out_csv="1", scratch_txt="1", old_py="1")
    found = removed(snap(old_py="1"), seen, EMPTY, "Write out.csv.")
    assert found == ["a.py", "out.csv"]


def test_what_is_a_program() -> None:
    programs = ["a.py", "b/c.tsx", "d.Rs", "x.go", "y.mjs"]
    others = ["a.html", "b.xml", "c.json", "d.csv", "e", "py", "f.md", "g.css", "h.lock"]
    entry = FileEntry("h", 1, "x", False)
    assert [path for path in [*programs, *others] if is_program(path, entry)] == programs


def test_outputs_are_bounded() -> None:
    files = Snapshot({f"{number:04}": FileEntry("h", 1, "x", False) for number in range(1_500)})
    assert len(Outputs().with_paths(files.files, files).files) == 1_000
