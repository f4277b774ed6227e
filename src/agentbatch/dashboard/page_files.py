"""The page and its files: our own, and textual-serve's terminal for the browser. Nothing is loaded from elsewhere."""

import html
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import NamedTuple

PAGE = Path(__file__).parent / "page"

HEADERS = {
    # style: the terminal (xterm.js) adds style elements for its colours and cell sizes.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), clipboard-read=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Server": "agentbatch",
}
"""On every answer."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}


class PageFile(NamedTuple):
    path: Path
    content_type: str


def installed() -> bool:
    """Whether the extra `dashboard` is installed."""
    return find_spec("textual_serve") is not None


def page_files() -> dict[str, PageFile]:
    """The files under /static, by name. Nothing else is served from disk."""
    spec = find_spec("textual_serve")
    assert spec is not None
    assert spec.origin is not None
    static = Path(spec.origin).parent / "static"
    paths = {
        "textual.js": static / "js" / "textual.js",
        "xterm.css": static / "css" / "xterm.css",
        "mono.ttf": static / "fonts" / "RobotoMono-VariableFont_wght.ttf",
        "mono-italic.ttf": static / "fonts" / "RobotoMono-Italic-VariableFont_wght.ttf",
        **{name: PAGE / name for name in ("page.css", "page.js", "plain.css", "icon.svg")},
    }
    return {name: PageFile(path, _TYPES[path.suffix]) for name, path in paths.items()}


def page_text(title: str, host: str) -> str:
    """The page. `host`: name and port in the browser's address."""
    template = Template((PAGE / "index.html").read_text(encoding="utf-8"))
    return template.substitute(title=html.escape(title), socket=html.escape(f"ws://{host}/ws"))
