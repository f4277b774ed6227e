import pytest

from agentbatch.config.reports import ReportRequest, parse_report, read_share


@pytest.mark.parametrize(
    ("text", "found", "folder"),
    [
        ("r.html", ReportRequest("html", "r.html"), False),
        ("out/R.HTM", ReportRequest("html", "out/R.HTM"), False),
        ("html=out", ReportRequest("html", "out"), True),
        ("j.xml", ReportRequest("junit", "j.xml"), False),
        ("junit=j", ReportRequest("junit", "j"), False),
        ("a.md", ReportRequest("md", "a.md"), False),
        ("a.json", ReportRequest("json", "a.json"), False),
        ("predictions=a.json", ReportRequest("predictions", "a.json"), False),
        ("a.jsonl", ReportRequest("predictions", "a.jsonl"), False),
        ("atif=a.json", ReportRequest("atif", "a.json"), True),
        ("x=y.csv", ReportRequest("csv", "x=y.csv"), False),
    ],
)
def test_a_report_is_known_by_its_word_or_its_ending(text: str, found: ReportRequest, folder: bool) -> None:
    assert parse_report(text) == found
    assert found.folder is folder


@pytest.mark.parametrize("text", ["", "report", "html=", "a.txt", "pdf=a"])
def test_what_is_no_report(text: str) -> None:
    with pytest.raises(ValueError, match="is no report: name a file that ends in"):
        parse_report(text)


@pytest.mark.parametrize(
    ("text", "percent"), [("90%", 90), ("90", 90), (" 0.5% ", 0.5), ("100", 100), ("0", 0)]
)
def test_a_share(text: str, percent: float) -> None:
    assert read_share(text) == percent


@pytest.mark.parametrize("text", ["", "101", "-1", "1e1", "a", "50%%", "nan"])
def test_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="a part of all tasks like 90%"):
        read_share(text)
