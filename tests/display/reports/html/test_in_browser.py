"""The page in a browser: its script runs under its own policy, filters, opens what is linked, and asks nobody."""

from pathlib import Path

import pytest

from agentbatch.display.reports.html.page import Limits, html_file
from agentbatch.display.reports.material import Material
from tests.dashboard.browser import browser, needs_chromium
from tests.runs.finished_run import a_finished_run
from tests.support.run_events import NOON

SHOWN = "document.querySelector('#shown')?.textContent"
PARSER = "document.getElementById('task-parser')"


@pytest.mark.slow
@needs_chromium
async def test_filters_links_and_details(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    page.write_text(
        "".join(html_file(Material(a_finished_run(), NOON), Limits(lazy_above=0))), encoding="utf-8"
    )
    async with browser() as chromium:
        tab = await chromium.tab()
        await tab.go(page.as_uri())
        await tab.until(SHOWN, lambda text: text == "4 of 4 tasks")
        await tab.value("find.value = 'prim'; filters.dispatchEvent(new Event('input'))")
        await tab.until(SHOWN, lambda text: text == "1 of 4 tasks")
        assert await tab.value(f"{PARSER}.hidden") is True
        await tab.value("location.hash = '#task-parser'")
        await tab.until(f"{PARSER}.open && {PARSER}.querySelectorAll('h3').length > 2")
        assert await tab.value("document.documentElement.scrollWidth <= innerWidth") is True
        assert [address for address in tab.requested if not address.startswith("file:")] == []
        assert tab.console == []
