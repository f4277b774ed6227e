"""Where quotes stand: tables."""

import pytest

from agentbatch.tasks.evaluator.judging.evidence.pieces import Piece
from agentbatch.tasks.evaluator.judging.grounding import MAX_QUOTES, ground
from agentbatch.tasks.evaluator.judging.matching import folded, stands_in
from agentbatch.tasks.results.verdict import Verdict
from tests.tasks.evaluator.judging.verdict_text import GOOD


@pytest.mark.parametrize(
    ("words", "text", "stands"),
    [
        ("8", "8", True),
        ("8", "the sum is 8.", True),
        ("8", "18", False),
        ("8", "80", False),
        ("8", "8.5", False),
        ("8", "3.8", False),
        ("8", "1,008", False),
        ("8", "-8", False),
        ("8", "(-8)", False),
        ("8", "3-8", True),
        ("-8", "sum: -8", True),
        ("3.5", "3.5", True),
        ("8", "8 18", True),
        ("8", "18 8", True),
        ("sum", "checksum", False),
        ("sum", "sum_of", False),
        ("sum(", "checksum(3) sum(5)", True),
        ("a  b\n c", "a b c", True),
        ("a b", "a\tb", True),
        ('"a b"', "a b", True),
        ("`a b`.", "a b", True),
        ("a ... c", "a b c", True),
        ("a\u2026c", "a b c", True),
        ("c ... a", "a b c", False),
        ("a ... d", "a b c", False),
        ("... b", "a b c", True),
        ("f(1) == 2", "f(1) != 2", False),
        ("A b", "a b", False),
        ("八", "一共八个", True),
        ("8", "一共8个", True),
        ("8", "一共88个", False),
        ("it\u2019s", "it's", True),
        ('print("a\nb")', r'print("a\nb")', True),
        ("", "a", False),
        ("...", "a ... b", True),
    ],
)
def test_a_quote_stands_there_or_not(words: str, text: str, stands: bool) -> None:
    assert stands_in(words, folded(text)) is stands


def verdict(*evidence: dict[str, str], met: bool = True, complete: bool = True) -> Verdict:
    requirement = {"text": "r", "met": met, "evidence": list(evidence)}
    return Verdict.model_validate({**GOOD, "requirements": [requirement], "complete": complete})


def same(text: str) -> str:
    return text


PIECES = {
    "F1": Piece("F1", "file a.py (added)", "print(8)"),
    "C1": Piece(
        "C1", "command, exit 0, before the last change: python3 a.py", "7", outcome=("exit 0",), stale=True
    ),
    "C2": Piece("C2", "command, exit 0: python3 a.py", "8", outcome=("exit 0",), ran=True),
    "C3": Piece("C3", "command, exit 2: python3 a.py x", "usage", outcome=("exit 2",), failed=True),
}


def test_the_harness_says_where_a_quote_stands() -> None:
    found = ground(
        verdict({"ref": "[c2]: python3", "quote": "8"}, {"ref": "", "quote": "print(8)"}), PIECES, same
    )
    quotes = found.verdict.requirements[0].evidence
    assert [(q.ref, q.where) for q in quotes] == [
        ("C2", "command, exit 0: python3 a.py"),
        ("F1", "file a.py (added)"),
    ]
    assert (found.problems, found.quotes_run) == ((), True)


@pytest.mark.parametrize(
    ("words", "ref", "misquoted"),
    [
        ("9", "C2", True),
        ("exit 0", "C2", True),
        ("usage", "C3", False),
        ("7", "C1", False),
        ("8", "C2", False),
    ],
)
def test_whose_fault_it_is(words: str, ref: str, misquoted: bool) -> None:
    """What failed or is old the coder can run again; a wrong quote is none of its business."""
    assert ground(verdict({"ref": ref, "quote": words}), PIECES, same, can_run=True).misquoted is misquoted


def test_what_a_judge_claims_to_have_found_is_not_believed() -> None:
    claimed = {"ref": "C2", "quote": "9", "where": "command, exit 0: python3 a.py"}
    found = ground(verdict(claimed), PIECES, same)
    assert found.verdict.requirements[0].evidence[0].where == ""
    assert not found.verdict.requirements[0].met
    assert found.unshown == ("r",)


@pytest.mark.parametrize(
    ("evidence", "problem"),
    [
        ([{"ref": "C2", "quote": "9"}], 'Requirement "r" quotes "9" from [C2], where it does not stand.'),
        (
            [{"ref": "F1", "quote": "usage"}],
            'Requirement "r" quotes "usage" from [F1], where it does not stand (but in [C3]).',
        ),
        (
            [{"ref": "C9", "quote": "8"}],
            'Requirement "r" quotes [C9], but there is no such piece of evidence.',
        ),
        (
            [{"ref": "", "quote": "nine"}],
            'Requirement "r" quotes "nine", which stands in no piece of evidence.',
        ),
        (
            [{"ref": "C2", "quote": "."}],
            'Requirement "r" quotes ".", in which there is no word and no number.',
        ),
        ([{"ref": "C2", "quote": "8" * 5000}], "which is too much to look up."),
        ([], 'Requirement "r" is called met without evidence.'),
        (
            [{"ref": "C2", "quote": "exit 0"}],
            'Requirement "r" quotes only how [C2] ended, and nothing of what came out.',
        ),
        (
            [{"ref": "C3", "quote": "usage"}, {"ref": "C3", "quote": "exit 2"}],
            'Requirement "r" quotes only what failed or what ran before the last change: [C3].',
        ),
    ],
)
def test_what_does_not_hold_is_said(evidence: list[dict[str, str]], problem: str) -> None:
    (said,) = ground(verdict(*evidence), PIECES, same).problems
    assert problem in said


def test_of_a_verdict_that_is_not_complete_nothing_is_disputed() -> None:
    found = ground(verdict({"ref": "C2", "quote": "9"}, complete=False), PIECES, same, must_run=True)
    assert (found.problems, found.unshown) == ((), ())
    assert found.verdict.requirements[0].met


def test_an_old_run_shows_nothing_of_a_program_that_was_changed_since() -> None:
    old = verdict({"ref": "C1", "quote": "7"})
    assert ground(old, PIECES, same).problems == ()
    assert "before the last change" in ground(old, PIECES, same, can_run=True).problems[0]


def test_what_ran_has_to_be_quoted() -> None:
    code = verdict({"ref": "F1", "quote": "print(8)"})
    found = ground(code, PIECES, same, can_run=True, must_run=True)
    assert found.problems == ()
    assert found.unquoted == "No requirement quotes what ran after the last change with exit 0: [C2]."
    assert ground(code, {"F1": PIECES["F1"]}, same, can_run=True, must_run=True).unquoted == ""


def test_that_a_file_is_sound_shows_nothing_and_is_the_judges_to_mend() -> None:
    pieces = {"K1": Piece("K1", "check sound, passed", "a.json is sound", of_form=True), **PIECES}
    found = ground(verdict({"ref": "K1", "quote": "is sound"}), pieces, same)
    assert [problem.partition(" quotes ")[2] for problem in found.problems] == [
        "only that files are sound in their form, which shows nothing of it: [K1]."
    ]
    assert found.misquoted
    both = verdict({"ref": "K1", "quote": "is sound"}, {"ref": "F1", "quote": "print(8)"})
    assert ground(both, pieces, same).problems == ()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1\\8", "1\\8"),
        ("1\\\\8", "1\\8"),
        ("1\\n8", "1 8"),
        ("'\\d+'", "'d+'"),
        (r"r'\bx\f'", "r'bxf'"),
        ("r'\bx\f'", "r'bxf'"),
        ("a\\8", "a8"),
        ("\\", ""),
    ],
)
def test_what_is_left_of_escapes(text: str, plain: str) -> None:
    assert folded(text) == plain


def test_a_failure_that_had_to_be_is_named_by_its_exit_code() -> None:
    expected = verdict({"ref": "C3", "quote": "Exit 2"}, {"ref": "F1", "quote": "print(8)"})
    assert ground(expected, PIECES, same).expected == {"C3"}
    passed_over = verdict({"ref": "C3", "quote": "usage"}, {"ref": "F1", "quote": "print(8)"})
    assert ground(passed_over, PIECES, same).expected == frozenset()


def test_quotes_are_looked_up_without_keys() -> None:
    pieces = {"C1": Piece("C1", "command", "the key is sesame")}
    hidden = verdict({"ref": "C1", "quote": "the key is [redacted]"})
    assert ground(hidden, pieces, lambda text: text.replace("sesame", "[redacted]")).problems == ()


def test_no_more_quotes_are_looked_up_than_anybody_needs() -> None:
    one = {"ref": "", "quote": "a"}
    many = verdict(*[one] * (MAX_QUOTES + 1))
    pieces = {f"F{n}": Piece(f"F{n}", "file", "aa" * 30_000) for n in range(20)}
    assert ground(many, pieces, same).problems
    assert (
        ground(
            verdict(*[{"ref": "F1", "quote": "print"}] * MAX_QUOTES), {"F1": Piece("F1", "f", "print")}, same
        ).problems
        == ()
    )
