"""Talks to apprise in a process of its own: apprise is heavy, its threads cannot be ended, its log names addresses.

Run as a file, with one request as JSON on stdin, answered with JSON on stdout. Nothing of agentbatch is imported.
Addresses come in by stdin, since everybody can read a command line.

{"check": [URL, ...]}                            -> {"refused": [{"place": N, "needs": TEXT}, ...]}
{"url": URL, "title": T, "body": B, "kind": K}   -> {"ok": BOOL, "cause": TEXT}
without apprise                                  -> {"missing": true}
"""

import json
import logging
import os
import re
import sys
from typing import Any


class _Log(logging.Handler):
    """Keeps what apprise logs of a failure, to name its kind without an address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    @property
    def cause(self) -> str:
        text = "\n".join(self.lines)
        status = re.search(r"error=(\d{3})\b", text)
        if status:
            return f"the server answered {status[1]}"
        if re.search(r"connection error|timed? ?out|timeout", text, re.IGNORECASE):
            return "there was no connection to its server"
        return "apprise could not deliver it"


def _server(url: str) -> Any:
    from apprise import Apprise, AppriseAsset

    # Nothing is kept on disk, no plugins of the user's are loaded, text is taken as it is.
    asset = AppriseAsset(app_id="agentbatch", app_desc="agentbatch", storage_mode="memory", async_mode=False)
    return Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _check(urls: list[str]) -> dict[str, Any]:
    refused = [place for place, url in enumerate(urls) if _server(url) is None]
    return {"refused": [{"place": place, "needs": _needs(urls[place])} for place in refused]}


def _needs(url: str) -> str:
    """What a kind of address lacks on this machine; empty when it is there or not known."""
    from apprise import Apprise

    scheme = url.partition("://")[0].lower()
    for kind in Apprise().details(show_requirements=True, show_disabled=True)["schemas"]:
        if scheme in {*(kind["protocols"] or ()), *(kind["secure_protocols"] or ())} and not kind["enabled"]:
            needs = kind["requirements"]
            return ", ".join(needs["packages_required"]) or str(needs["details"]) or "another machine"
    return ""


def _send(request: dict[str, str]) -> dict[str, Any]:
    from apprise import Apprise, NotifyFormat

    log = _Log()
    logging.getLogger("apprise").addHandler(log)
    target = Apprise()
    target.add(_server(request["url"]))
    ok = target.notify(
        body=request["body"],
        title=request["title"],
        notify_type=request["kind"],
        body_format=NotifyFormat.TEXT,
    )
    return {"ok": bool(ok), "cause": "" if ok else log.cause}


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        import apprise  # noqa: F401
    except ImportError:
        return {"missing": True}
    return _check(request["check"]) if "check" in request else _send(request)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer(json.load(sys.stdin))))
    sys.stdout.flush()
    os._exit(0)  # threads of apprise that still wait are not waited for
