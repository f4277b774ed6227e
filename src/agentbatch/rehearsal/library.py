"""Scripts on disk: one TOML file per task; those of the sample tasks are in the package."""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from agentbatch.errors import UserError
from agentbatch.rehearsal.play import compile_evaluator
from agentbatch.rehearsal.script import Script

SUFFIX = ".toml"


def sample_scripts() -> list[Script]:
    """The scripts of task.json's sample tasks, by file name."""
    return _load(resources.files("agentbatch.rehearsal") / "scripts")


def load_scripts(folder: Path) -> list[Script]:
    """Every *.toml in a folder, by file name. Raises UserError with the file and the invalid field."""
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder of rehearsal scripts.")
    scripts = _load(folder)
    if not scripts:
        raise UserError(f"{folder}: there is no rehearsal script (*{SUFFIX}) in this folder.")
    return scripts


def _load(folder: Traversable) -> list[Script]:
    files = sorted((f for f in folder.iterdir() if f.name.endswith(SUFFIX)), key=lambda f: f.name)
    scripts: dict[str, Script] = {}
    names: dict[str, str] = {}
    for file in files:
        script = _read(file)
        if script.prompt in scripts:
            raise UserError(f"{file}: prompt: the same as in {names[script.prompt]}.")
        scripts[script.prompt], names[script.prompt] = script, file.name
    return list(scripts.values())


def _read(file: Traversable) -> Script:
    try:
        script = Script.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: this rehearsal script cannot be read as UTF-8 text: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{file}: not TOML: {error}.") from None
    except ValidationError as error:
        raise UserError(f"{file}: {_explain(error)}.") from None
    if compile_evaluator(script.evaluator) is None:
        raise UserError(f"{file}: evaluator: there is no permanent answer (a step without `times`).")
    return script


def _explain(error: ValidationError) -> str:
    """The first problem: the field's path (steps counted from 1), and what is wrong."""
    problem = error.errors(include_url=False, include_context=False)[0]
    tags = ("say", "fault")
    place = [
        f"step {part + 1}" if isinstance(part, int) else part for part in problem["loc"] if part not in tags
    ]
    return f"{' > '.join(place) or 'script'}: {problem['msg'].lower()}"
