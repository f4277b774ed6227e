"""A verdict as a model would write it."""

import json
from typing import Any

GOOD: dict[str, Any] = {
    "requirements": [{"text": "prints 1", "met": True, "evidence": [{"ref": "C1", "quote": "1"}]}],
    "missing": [],
    "complete": True,
    "blocked": False,
    "score": 1,
    "follow_up_prompt": "",
}


def text(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes}, ensure_ascii=False)
