"""Scripted verdicts that several files of whole runs share."""

from typing import Any

COMPLETE: dict[str, Any] = {
    "requirements": [{"text": "does it", "met": True, "evidence": "@"}],
    "missing": [],
    "complete": True,
    "blocked": False,
    "score": 1.0,
    "follow_up_prompt": "",
}
