"""A batch of plain requests that is checked and not sent yet."""

import json
from pathlib import Path
from typing import Any

from agentbatch.config import load_settings
from agentbatch.config.requests_settings import RequestsSettings
from agentbatch.requests.run.prepare import PreparedRequests, prepare_requests
from tests.support.keys import KEY

PRICES = """
[models.cheap]
input = 1.0
output = 10.0

[models.dear]
input = 100.0
output = 1000.0
"""


def prepared(
    folder: Path, lines: list[dict[str, Any]], *, prices: str = PRICES, environ: dict[str, str] | None = None,
    **options: Any,
) -> PreparedRequests:  # fmt: skip
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if prices:
        (folder / "prices.toml").write_text(prices)
    keys = {"OPENAI_API_KEY": KEY, "CODER_ENDPOINT": "https://models.example.com/v1"}
    known = keys | {"CODER_MODEL": "cheap"} if environ is None else environ
    settings = load_settings({"judge": "none"}, known, None)
    return prepare_requests(
        settings, RequestsSettings(input="in.jsonl", output=Path("out.jsonl"), **options), folder, known
    )
