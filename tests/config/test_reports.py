import pytest

from agentbatch.config.reports import Wanted, read_share, wanted_report


@pytest.mark.parametrize(
    ("text", "found", "folder"),
    [
        ("r.html", Wanted("html", "r.html"), False),
        ("out/R.HTM", Wanted("html", "out/R.HTM"), False),
        ("html=out", Wanted("html", "out"), True),
        ("j.xml", Wanted("junit", "j.xml"), False),
        ("junit=j", Wanted("junit", "j"), False),
        ("a.md", Wanted("md", "a.md"), False),
        ("a.json", Wanted("json", "a.json"), False),
        ("predictions=a.json", Wanted("predictions", "a.json"), False),
        ("a.jsonl", Wanted("predictions", "a.jsonl"), False),
        ("atif=a.json", Wanted("atif", "a.json"), True),
        ("x=y.csv", Wanted("csv", "x=y.csv"), False),
    ],
)
def test_a_report_is_known_by_its_word_or_its_ending(text: str, found: Wanted, folder: bool) -> None:
    assert wanted_report(text) == found
    assert found.folder is folder


@pytest.mark.parametrize("text", ["", "report", "html=", "a.txt", "pdf=a"])
def test_what_is_no_report(text: str) -> None:
    with pytest.raises(ValueError, match="is no report: name a file that ends in"):
        wanted_report(text)


@pytest.mark.parametrize(
    ("text", "percent"), [("90%", 90), ("90", 90), (" 0.5% ", 0.5), ("100", 100), ("0", 0)]
)
def test_a_share(text: str, percent: float) -> None:
    assert read_share(text) == percent


@pytest.mark.parametrize("text", ["", "101", "-1", "1e1", "a", "50%%", "nan"])
def test_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="a part of all tasks like 90%"):
        read_share(text)
