from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from agentbatch.cli.tasks import report
from agentbatch.errors import UserError
from tests.runs.stored_runs import interrupted
from tests.support.subcommand import run_command


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_several_reports_of_the_newest_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = await interrupted(tmp_path)
    assert run_command(report, "--html", "r.html", "--junit", "j.xml", "--md", "-") == 0
    captured = capsys.readouterr()
    assert captured.err == "Written: r.html\nWritten: j.xml\n"
    assert captured.out.startswith(f"# {run.run_id}\n")
    assert ET.parse(tmp_path / "j.xml").getroot().attrib["tests"] == "4"
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"<h1>{run.run_id}</h1>" in page
    assert page.count('<details class="task" id="task-t') == 4


async def test_nothing_is_written_over_unless_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await interrupted(tmp_path)
    (tmp_path / "r.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"r\.html exists already"):
        run_command(report, "--html", "r.html")
    assert run_command(report, "--html", "r.html", "--force") == 0
    assert "mine" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_report_needs_a_kind() -> None:
    with pytest.raises(UserError, match=r"say what to write, e\.g\. --html"):
        run_command(report)
