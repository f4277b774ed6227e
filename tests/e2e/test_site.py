"""docs/ as a site: built without a warning, shown as git hosts show it, and fetching nothing from anywhere."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web
from markdown_it import MarkdownIt

from tests.dashboard.browser import browser, needs_chromium
from tests.support.paths import CHECKOUT

TAGS = ("blockquote", "code", "h1", "h2", "h3", "img", "li", "ol", "pre", "strong", "table", "tr", "ul")

SEARCH = "[...document.querySelectorAll('div')].filter(one => one.shadowRoot)"
"""What the theme's search is drawn in."""


def tags(html: str) -> Counter[str]:
    return Counter({tag: len(re.findall(rf"<{tag}[ >]", html)) for tag in TAGS})


def built(folder: Path) -> Path:
    """The site, made in the folder."""
    pytest.importorskip("zensical", reason="docs/ as a site needs the extra `docs`: pip install -e '.[docs]'")
    shutil.copytree(CHECKOUT / "docs", folder / "docs")
    shutil.copy(CHECKOUT / "zensical.toml", folder)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return folder / "site"


@pytest.mark.slow
def test_the_site(tmp_path: Path) -> None:
    site = built(tmp_path)
    as_git_hosts = MarkdownIt("gfm-like", {"linkify": False})
    for page in (tmp_path / "docs").glob("*.md"):
        html = (site / f"{'index' if page.stem == 'README' else page.stem}.html").read_text("utf-8")
        article = html[html.index("<article") : html.index("</article>")]
        assert tags(article) == tags(as_git_hosts.render(page.read_text("utf-8"))), page.name
        fetched = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)", html)
        assert not fetched, page.name


@pytest.mark.slow
@needs_chromium
async def test_its_search_finds_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_static("/", built(tmp_path))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with browser() as chromium:
            tab = await chromium.tab()
            await tab.go(f"{base}index.html")
            await tab.until(f"{SEARCH}.length == 1")
            await tab.press("/")
            await tab.until(f"{SEARCH}[0].shadowRoot.activeElement?.tagName == 'INPUT'")
            await tab.call("Input.insertText", text="hidden_verify")
            await tab.until(
                f"{SEARCH}[0].shadowRoot.textContent", lambda text: "Tasks from elsewhere" in (text or "")
            )
            assert [url for url in tab.requested if not url.startswith((base, "data:", "blob:"))] == []
    finally:
        await runner.cleanup()
