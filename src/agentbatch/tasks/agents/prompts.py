"""prompts/*.md: Jinja2 templates, with safety.md in front of every system prompt.

Those of the user's own folder are checked before a run. Ours are checked by the tests, and compiled when they are first
rendered: to do so at once is a tenth of the CPU that a run takes up to its first call.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta

from agentbatch.errors import UserError
from agentbatch.tasks.agents.resources import find_resource, read_resource
from agentbatch.templates import PromptEnvironment
from agentbatch.text import nearest

CODER_VARIABLES = ("workdir", "system", "sandbox", "network", "tools", "servers", "max_steps")

VARIABLES: Mapping[str, Collection[str]] = {
    "safety.md": (),
    "evidence.md": (
        "nonce", "iteration", "max_iterations", "task", "said", "missing_before", "tree", "diff", "commands",
        "verify", "runs", "tampering", "turn_end", "claim", "doubtful", "brief", "project", "language",
    ),
    "checks.md": ("checks", "brief", "words"),
    "own_checks_writer.md": (),
    "own_checks.md": ("nonce", "most", "task", "tree", "files"),
    "own_asserts.md": ("kind", "most", "functions", "task"),
    "again.md": ("task", "prompt", "interrupted", "remembered", "changes", "nonce"),
    "project.md": ("nonce", "rules", "files", "named"),
    "said.md": ("said",),
    "takeover.md": ("nonce", "task", "changes", "prompt"),
    "anew.md": ("output", "end", "said", "words"),
    "follow_up.md": (
        "kind", "follow_up", "missing", "verify_failed", "verify_command", "verify_tail", "verify_end", "verify_told",
        "question", "circles", "words",
    ),
    "compact.md": (),
    "nudge.md": ("kind", "count", "notice", "subject", "error", "place", "words"),
}  # fmt: skip
"""The variables that each template is given; the two role prompts come on top, under the names that
agents/*.toml give them."""


_ENVIRONMENT = PromptEnvironment()


class _Source(NamedTuple):
    path: Path
    text: str
    variables: tuple[str, ...]


class Prompts:
    """The templates of a run, read once."""

    def __init__(self, folder: Path, coder: Sequence[str], evaluator: Sequence[str]) -> None:
        """`coder`, `evaluator`: the names of each role's own templates.

        Raises UserError: a missing file; in one of the folder's own, a syntax error with its line, an undefined
        variable."""
        own = {**dict.fromkeys(coder, CODER_VARIABLES), **dict.fromkeys(evaluator, ())}
        known: dict[str, Collection[str]] = {**VARIABLES, **own}
        self._sources: dict[str, _Source] = {}
        digest = hashlib.sha256()
        for name, variables in known.items():
            path = find_resource("prompts", name, folder)
            text = read_resource(path)
            digest.update(f"{name}\0{text}\0".encode())
            self._sources[name] = source = _Source(path, text, tuple(variables))
            if path.parent == folder / "prompts":
                _compile(source)
        self.digest = digest.hexdigest()
        """sha256 over all templates; recorded with the run."""

    @property
    def names(self) -> Collection[str]:
        """Of the files that are read."""
        return self._sources.keys()

    def render(self, name: str, **values: object) -> str:
        """Raises UserError for what a template may not do, and where it fails on its values."""
        try:
            return _compile(self._sources[name]).render(**values).strip()
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise UserError(f"prompts/{name}: {error}.") from error

    def system(self, name: str, **values: object) -> str:
        """A system prompt: the safety rules, then the role's own text."""
        return f"{self.render('safety.md')}\n\n{self.render(name, **values)}"


@lru_cache(maxsize=100)
def _compile(source: _Source) -> Template:
    path, text, variables = source
    try:
        parsed = _ENVIRONMENT.parse(text)
        used = meta.find_undeclared_variables(parsed)
    except TemplateSyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: {error.message}.") from None
    except RecursionError:
        raise UserError(f"{path}: it is nested too deeply.") from None
    for name in sorted(used - set(variables)):
        close = nearest(name, variables)
        known = ", ".join(variables) or "none"
        hint = f"did you mean {close!r}?" if close else f"it can use: {known}."
        raise UserError(f"{path}: the variable {name!r} is not defined here; {hint}")
    try:
        return _ENVIRONMENT.from_string(parsed)
    except TemplateError as error:
        raise UserError(f"{path}: {error}.") from None
