"""A run as one HTML file that needs nothing else, or as a folder of pages, read from disk, light or dark."""

import base64
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from jinja2 import FunctionLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from agentbatch.display.reports.html.overview import overview, row
from agentbatch.display.reports.html.task_section import Section, task_section
from agentbatch.display.reports.html.words import block, line
from agentbatch.display.reports.material import Material
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import counted, duration, money, tokens


class Limits(NamedTuple):
    """Of one file, so that a browser opens it in seconds."""

    transcripts: int = 20_000_000
    """Characters of all of them; the rest takes twice as much. A folder has every transcript."""
    at_once: int = 500
    """Tasks that are shown before somebody asks for more: browsers lay out thousands of rows slowly."""
    lazy_above: int = 200
    """Tasks: of more, the details of each are text until it is opened. As elements, those of thousands take minutes."""


LIMITS = Limits()

INDEX, PAGES = "index.html", "tasks"
"""Of a folder: the overview, and where the tasks' pages are."""


def html_file(material: Material, limits: Limits = LIMITS) -> Iterator[str]:
    """In parts: a run of thousands of tasks is never in memory as a whole.

    Raises UserError for a run that is damaged.
    """
    tasks, names, now = material.tasks, material.names, material.now
    rows = [row(task, f"#{names[task.id]}", now) for task in tasks]
    return _page("report.html").generate(
        run=overview(material),
        rows=rows,
        sections=_sections(material, names, limits.transcripts),
        at_once=limits.at_once,
        lazy=len(tasks) > limits.lazy_above,
    )


def html_folder(material: Material) -> Iterator[tuple[str, Iterator[str]]]:
    """The files, by their names in the folder: the overview, then a page a task. Raises as `html_file`."""
    tasks, names, now = material.tasks, material.names, material.now
    run = overview(material)
    rows = [row(task, f"{PAGES}/{names[task.id]}.html", now) for task in tasks]
    yield INDEX, _page("report.html").generate(run=run, rows=rows, sections=None, at_once=LIMITS.at_once)
    around: list[TaskState | None] = [None, *tasks, None]
    for task, before, after in zip(tasks, around, around[2:], strict=False):
        near = [
            (word, f"{names[one.id]}.html") for word, one in (("previous", before), ("next", after)) if one
        ]
        section = task_section(task, names[task.id], material)
        yield (
            f"{PAGES}/{names[task.id]}.html",
            _page("task_page.html").generate(run=run, section=section, near=near),
        )


def _sections(material: Material, names: dict[str, str], room: int) -> Iterator[Section]:
    """Short transcripts still find a place when a long one has none."""
    for task in material.tasks:
        section = task_section(task, names[task.id], material, room)
        room -= section.size
        yield section


def _page(name: str) -> Template:
    return _environment().get_template(name)


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
