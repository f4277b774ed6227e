"""The pages without scripts: what stands in them, and that nobody can put markup there."""

import re
from html.parser import HTMLParser
from pathlib import Path

from agentbatch.dashboard.plain import MAX_TASKS, RELOAD, plain_page, run_page
from agentbatch.display.reports.run_report import RunReport
from agentbatch.runs import events as e
from agentbatch.runs.listing import open_run
from tests.runs.stored_runs import begin, end, finished, interrupted, work

HOSTILE = "<script>alert(1)</script>&\"'\x1b[31m"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value for name, value in attrs if name == "href" and value and tag == "a"]


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition("<body>")[2]).split())


async def test_a_run_that_was_interrupted(tmp_path: Path) -> None:
    page = plain_page(await interrupted(tmp_path))
    assert page is not None
    words = text_of(page)
    assert ": interrupted" in words
    assert re.search(r"Failed \(1\) ✗ t1 error .*blocked.*no sales\.csv Not at their end \(2\)", words)
    assert re.search(r"‖ t2 interrupted .*· t3 queued Completed \(1\) ✓ t0 completed", words)
    assert "refresh" not in page, "it does not change any more"
    tags = Tags(page)
    assert tags.links == ["/plain/2", "/plain/3", "/plain/4", "/plain/1", "/#full"]
    assert tags.names.count("h1") == 1
    assert "script" not in tags.names


async def test_a_run_under_way_is_loaded_again(tmp_path: Path) -> None:
    store = begin(tmp_path, 2)
    work(store, "t0")
    store.flush()
    page = plain_page(store.folder)
    await store.close()
    assert page is not None
    assert f'http-equiv="refresh" content="{RELOAD}"' in page
    assert re.search(r"Under way \(1\) ● t0 coding .* Not at their end \(1\) · t1 queued", text_of(page))


async def test_a_task(tmp_path: Path) -> None:
    folder = await finished(tmp_path)
    page = plain_page(folder, "1")
    assert page is not None
    assert "✓ completed · t0" in text_of(page)
    assert Tags(page).links == ["/plain"]
    assert [plain_page(folder, number) for number in ("0", "2", "x", "-1", "01")] == [None] * 5


async def test_what_others_wrote_is_text(tmp_path: Path) -> None:
    store = begin(tmp_path, 1)
    work(store, "t0")
    end(store, "t0", status="error", reason="blocked", error=HOSTILE)
    store.emit(e.RunFinished(error=HOSTILE))
    await store.close()
    for number in ("", "1"):
        page = plain_page(store.folder, number)
        assert page is not None
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;" in page
        assert "script" not in Tags(page).names
        assert "\x1b" not in page


async def test_many_tasks_are_a_page_of_some(tmp_path: Path) -> None:
    store = begin(tmp_path, MAX_TASKS + 50)
    await store.close()
    page = run_page(RunReport(open_run(store.folder), 0.0, tmp_path))
    assert page.count("<li class=") == MAX_TASKS
    assert "and 50 more" in page
