"""A run as one HTML file that needs nothing else: read from disk, light or dark, on a phone or a wide screen."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files

from jinja2 import FunctionLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from agentbatch.display.reports.html.overview import anchors, overview, row
from agentbatch.display.reports.html.task_section import task_section
from agentbatch.display.reports.html.words import block, line
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.records import Records
from agentbatch.text import counted, duration, money, tokens


def html_page(
    state: RunState, now: float, title: str, comparison: Sequence[ComparisonRow], records: Records
) -> Iterator[str]:
    """In parts: a run of thousands of tasks is never in memory as a whole."""
    tasks = sorted(state.tasks.values(), key=lambda task: task.index)
    names = anchors(tasks)
    return (
        _environment()
        .get_template("report.html")
        .generate(
            run=overview(state, now, title, comparison),
            rows=[row(task, names[task.id], now) for task in tasks],
            sections=(task_section(task, names[task.id], records, now) for task in tasks),
        )
    )


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        autoescape=True,
        loader=FunctionLoader(_text),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "line": line, "block": block, "duration": duration, "money": money, "tokens": tokens, "counted": counted,
    }  # fmt: skip
    script = _text("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.globals = {"style": Markup(_text("report.css")), "script": Markup(script), "script_digest": digest}
    return made


def _text(name: str) -> str:
    return files("agentbatch.display.reports.html").joinpath("templates", name).read_text(encoding="utf-8")
