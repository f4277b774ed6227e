"""agents/coders.toml: which coders there are. The user's file adds to ours, and says anew what it names."""

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agentbatch.errors import UserError
from agentbatch.patterns import regex
from agentbatch.problems import all_problems, hint, in_one
from agentbatch.tasks.agents.resources import read_resource, resource_folders
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.text import clip

FILE = "coders.toml"

NAME = regex(r"[a-z][a-z0-9-]{0,39}")
"""Of a coder."""

Tables = dict[str, dict[str, Any]]


def load_coders(folder: Path) -> Mapping[str, CoderEntry]:
    """By name, ours first. Raises UserError with file and line."""
    found: Tables = {}
    entries: dict[str, CoderEntry] = {}
    places = resource_folders("agents", folder)
    for place in reversed(places):
        path = place / FILE
        if not path.is_file():
            continue
        text = read_resource(path)
        own = place != places[-1]
        for name, table in _tables(path, text).items():
            found[name] = _over(found.get(name, {}), table)
            entries[name] = _entry(path, text, name, {**found[name], "own": own})
    return entries


def python_entry(name: str, known: Collection[str]) -> CoderEntry:
    """Of a coder of the program that uses us. Raises UserError for a name that is none, or is one of `known`."""
    wrong = _wrong(name, {}) or (f"the coder {name} is there already." if name in known else "")
    if wrong:
        raise UserError(f"coders: {wrong}")
    return CoderEntry(name=name, protocol="builtin", gateway=False)


def _tables(path: Path, text: str) -> Tables:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}.") from None
    for name, table in document.items():
        wrong = _wrong(name, table)
        if wrong:
            raise UserError(f"{path}: line {line_of(text, name)}: {wrong}")
    return document


def _wrong(name: str, table: object) -> str:
    """Why that is no coder; empty where it may be one."""
    if not isinstance(table, dict):
        return f"{name} stands in no table; each coder is one, like [my-agent]."
    if not NAME.fullmatch(name):
        return (
            f"[{clip(name, 60)}] is no name for a coder: small letters, digits and '-', at most 40, "
            "a letter first."
        )
    return ""


def _over(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """What they say holds; tables (env, files, options) are added to."""
    both = {
        key: {**ours[key], **value}
        for key, value in theirs.items()
        if isinstance(value, dict) and isinstance(ours.get(key), dict)
    }
    return {**ours, **theirs, **both}


def _entry(path: Path, text: str, name: str, table: Mapping[str, Any]) -> CoderEntry:
    try:
        return CoderEntry.model_validate({**table, "name": name})
    except ValidationError as error:
        sentences = []
        for problem in all_problems(error):
            field = str(problem.location[0]) if problem.location else ""
            where = f"line {line_of(text, name, field)}: [{name}]"
            if problem.kind == "extra_forbidden":
                known = [one for one in CoderEntry.model_fields if one not in ("name", "own")]
                sentences.append(f"{where}: unknown setting {problem.name}; {hint(field, known, 'known')}")
            else:
                told = problem.told().replace("an object", "a table", 1)
                sentences.append(f"{where} {problem.name}: {told}.".replace("  ", " ").replace(" :", ":"))
        raise UserError(in_one(str(path), sentences)) from None


_KEY = regex(r""" "[^"]*" | '[^']*' | [\w-]+ """, re.VERBOSE)


def line_of(text: str, table: str, key: str = "") -> int:
    """Where a table of a TOML file, or a key in it, first stands; where the key does not, the table's line."""
    here, found = False, 1
    for number, line in enumerate(text.splitlines(), 1):
        words = [word.strip("\"'") for word in _KEY.findall(line.partition("=")[0])]
        is_header = line.lstrip().startswith("[")
        if is_header or not here:
            begins = words[:1] == [table]
            found = number if begins and not here else found
            here = begins
            words = words[1:] if begins else []
        if here and key and words[:1] == [key]:
            return number
        if here and not key:
            return number
    return found
