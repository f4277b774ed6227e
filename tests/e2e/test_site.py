"""docs/ as a site: built without a warning, shown as git hosts show it, and fetching nothing from anywhere."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.support.paths import CHECKOUT

TAGS = ("blockquote", "code", "h1", "h2", "h3", "img", "li", "ol", "pre", "strong", "table", "tr", "ul")


def tags(html: str) -> Counter[str]:
    return Counter({tag: len(re.findall(rf"<{tag}[ >]", html)) for tag in TAGS})


@pytest.mark.slow
def test_the_site(tmp_path: Path) -> None:
    pytest.importorskip("zensical", reason="docs/ as a site needs the extra `docs`: pip install -e '.[docs]'")
    shutil.copytree(CHECKOUT / "docs", tmp_path / "docs")
    shutil.copy(CHECKOUT / "zensical.toml", tmp_path)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr[-3000:]
    as_git_hosts = MarkdownIt("gfm-like", {"linkify": False})
    for page in (tmp_path / "docs").glob("*.md"):
        html = (tmp_path / "site" / f"{'index' if page.stem == 'README' else page.stem}.html").read_text(
            "utf-8"
        )
        article = html[html.index("<article") : html.index("</article>")]
        assert tags(article) == tags(as_git_hosts.render(page.read_text("utf-8"))), page.name
        fetched = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)", html)
        assert not fetched, page.name
    found = (tmp_path / "site/search.json").read_text("utf-8")
    assert "hidden_verify" in found
