"""`agentbatch requests make`: the input of a batch from a template and what fills it."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agentbatch.errors import UserError, cannot_be
from agentbatch.files import write_atomic
from agentbatch.problems import first_problem
from agentbatch.text import counted

if TYPE_CHECKING:
    from agentbatch.requests.spec.make import Recipe
    from agentbatch.requests.spec.make_values import Values

DESCRIPTION = """\
Write the input of `agentbatch requests run`: a line for every combination of
values, for every row of a file, or for both. The template is plain text with
{{ name }} where a value goes (Jinja2); {{ n }} counts within a combination and
{{ number }} over all.
"""

EPILOG = """\
examples:
  agentbatch requests make quiz.md -o in.jsonl --set kind=a,b --set level=1-3
  agentbatch requests make quiz.md -o in.jsonl --matrix topics.toml --count 5
  agentbatch requests make sum.md -o in.jsonl --rows news.csv --id '{{ slug }}'
  agentbatch requests make review.md -o in2.jsonl --rows out.jsonl

A template may begin with its own settings, in TOML between two lines of +++:
system, model, temperature, max_tokens, json_schema (a file beside it) and id.
Flags win over them. Rows may be the output of an earlier batch: {{ id }} and
{{ answer }} name its answer.
"""


def add_make(commands: Any) -> None:
    make = commands.add_parser(
        "make",
        help="write the requests from a template",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    make.add_argument("template", metavar="TEMPLATE", type=Path, help="a text file")
    make.add_argument(
        "-o", "--output", dest="made", metavar="IN.jsonl", help="the input file; -: standard output"
    )
    fill = make.add_argument_group("what fills it")
    fill.add_argument(
        "--set", dest="sets", metavar="NAME=VALUES", action="append", default=[],
        help="a,b,c or 1-5; several are combined",
    )  # fmt: skip
    fill.add_argument(
        "--matrix", metavar="FILE", type=Path, help="lists by name, TOML or JSON; combined with --set"
    )
    fill.add_argument(
        "--rows", metavar="FILE", type=Path, help="a .csv, .tsv or .jsonl file, a request a row"
    )
    fill.add_argument("--count", metavar="N", default="1", help="requests for each combination or row [1]")
    asked = make.add_argument_group("what each request says")
    asked.add_argument(
        "--id", dest="id_pattern", metavar="PATTERN", help="its id [the values, joined with -]"
    )
    asked.add_argument(
        "--system", dest="ask_system", metavar="FILE", type=Path, help="a system message, a template too"
    )
    asked.add_argument("--model", dest="ask_model", metavar="NAME")
    asked.add_argument("--temperature", dest="ask_temperature", metavar="T")
    asked.add_argument("--max-tokens", dest="ask_max_tokens", metavar="N")
    asked.add_argument(
        "--json-schema", dest="ask_schema", metavar="FILE", type=Path, help="what answers keep to"
    )
    make.add_argument("--force", dest="force", action="store_true", help="replace the input file")
    make.set_defaults(command=_make)


def _make(args: argparse.Namespace) -> int:
    from agentbatch.requests.spec.make import make

    if args.made is None:
        raise UserError("Say where the requests go: -o IN.jsonl.")
    recipe = _recipe(args)
    if args.made == "-":
        sys.stdout.writelines(line + "\n" for line in list(make(recipe)))
        return 0
    path = Path(args.made)
    if os.path.lexists(path) and not args.force:
        raise UserError(f"{path} exists already: name another file, or say --force.")
    _write(path, make(recipe))
    sys.stderr.write(f"{path}: {counted(recipe.size, 'request')}\n")
    return 0


def _recipe(args: argparse.Namespace) -> "Recipe":
    from agentbatch.requests.spec.make import PromptSettings, Recipe, read_prompt
    from agentbatch.requests.spec.make_values import read_matrix, read_set, read_text

    prompt = read_prompt(args.template)
    lists = read_matrix(args.matrix) if args.matrix is not None else {}
    for text in args.sets:
        name, values = read_set(text)
        if name in lists:
            raise UserError(f"--set {name}: there are values for {name} already.")
        lists[name] = values
    rows = _rows(args.rows) if args.rows is not None else []
    if not (args.count.isascii() and args.count.isdigit() and int(args.count[:10]) > 0):
        raise UserError(f"--count: must be a whole number from 1 on, not {args.count[:40]!r}.")
    given = {
        "id": args.id_pattern,
        "system": read_text(args.ask_system) if args.ask_system is not None else None,
        "model": args.ask_model,
        "temperature": args.ask_temperature,
        "max_tokens": args.ask_max_tokens,
        # A path of the command line is meant from here, one of the template from beside it.
        "json_schema": str(args.ask_schema.absolute()) if args.ask_schema is not None else None,
    }
    own = prompt.settings.model_dump(exclude_none=True)
    try:
        settings = PromptSettings.model_validate(
            own | {name: value for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        problem = first_problem(error)
        flag = problem.name.replace("_", "-")
        raise UserError(f"--{flag}: {problem.told(lambda given: repr(str(given)[:40]))}.") from None
    return Recipe(prompt, settings, lists, rows, int(args.count))


def _rows(path: Path) -> "list[Values]":
    from agentbatch.requests.spec.make_values import read_rows, with_answers

    rows, failed = with_answers(read_rows(path))
    if not rows:
        raise UserError(f"{path}: all of its requests failed, so there is no answer to ask about.")
    if failed:
        sys.stderr.write(f"{path}: {counted(failed, 'request')} that failed left out\n")
    return rows


def _write(path: Path, lines: Iterator[str]) -> None:
    """All of them or nothing. Raises UserError."""
    try:
        write_atomic(path, (line + "\n" for line in lines))
    except OSError as error:
        raise cannot_be("written", path, error) from None
