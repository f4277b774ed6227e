"""Putting settings together: flags > environment > .env > defaults. Nothing here writes to os.environ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from agentbatch.config.settings import Settings, options
from agentbatch.errors import UserError
from agentbatch.problems import first_problem


def read_env_file(path: Path | None, folder: Path) -> dict[str, str]:
    """The variables of an env file: `path` when named (then it must exist), else `.env` in `folder` if any."""
    chosen = folder / (path or ".env")
    if not chosen.is_file():
        if path is None:
            return {}
        raise UserError(f"--env-file: there is no file {chosen}.")
    try:
        values = dotenv_values(chosen, interpolate=False, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{chosen} cannot be read as a UTF-8 env file: {error}.") from None
    return {name: value for name, value in values.items() if value is not None}


def load_settings(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    env_file: Path | None = None,
    folder: Path | None = None,
) -> Settings:
    """Put the settings together.

    `flags` holds only what was given on the command line, by field name. An empty variable counts as not
    set. Raises UserError naming the flag or variable that is wrong, or the key that is missing.
    """
    folder = folder or Path.cwd()
    file_values = read_env_file(env_file, folder)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for field, opt in options().items():
        if field in flags:
            values[field], sources[field] = flags[field], opt.flag or f"--{field}"
            continue
        for name in opt.env:
            found = environ.get(name) or file_values.get(name)
            if found:
                where = "" if environ.get(name) else f" in {env_file or '.env'}"
                values[field], sources[field] = found, name + where
                break
    _leave_roles_to_local(values, sources, flags)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise UserError(explain(error, sources)) from None
    _check_keys(settings, sources)
    return settings


def explain(error: ValidationError, sources: Mapping[str, str]) -> str:
    """A sentence for a person. `sources`: the flag or variable of each field."""
    problem = first_problem(error)
    field = str(problem.location[0])
    shown = "" if field.endswith("_api_key") else f", not {str(problem.given)!r}"
    return f"{sources.get(field, field)}: {problem.message}{shown}."


def _leave_roles_to_local(values: dict[str, Any], sources: dict[str, str], flags: Mapping[str, Any]) -> None:
    """With `--local` only a role whose endpoint has a flag is played elsewhere: variables of the other are not used.

    Raises UserError when nothing is left to the local model, or a flag names another model for its role.
    """
    if "local" not in values:
        return
    roles = {
        "coder_endpoint": ("coder_model", "coder_api_key"),
        "evaluation_base_url": ("evaluation_model", "evaluation_api_key"),
    }
    if flags.keys() >= roles.keys():
        if "local" in flags:
            raise UserError(
                "--local plays the roles that have no endpoint flag, and here both have one: leave out --local, "
                "--coder-endpoint or --evaluator-endpoint."
            )
        del values["local"]  # a variable's; the flags win
        return
    for endpoint, (model, key) in roles.items():
        if endpoint in flags:
            continue
        if model in flags:
            raise UserError(
                f"{sources[model]}: with --local this role is played by the local model; name the role's endpoint too, "
                "or leave the flag out."
            )
        for field in (endpoint, model, key):
            values.pop(field, None)
            sources.pop(field, None)


def _check_keys(settings: Settings, sources: Mapping[str, str]) -> None:
    """One role with a key and the other without is a mistake; so is an endpoint without a key."""
    for role, key, key_name, endpoint in (
        ("coder", settings.coder_api_key, "CODER_API_KEY", "coder_endpoint"),
        ("evaluator", settings.evaluation_api_key, "EVALUATION_API_KEY", "evaluation_base_url"),
    ):
        if settings.local is not None and endpoint not in sources:
            continue
        if role == "evaluator" and settings.judge == "none":
            continue
        if key is None and (not settings.rehearsal or endpoint in sources):
            why = f"{sources[endpoint]} is set" if endpoint in sources else "the other role has a key"
            raise UserError(
                f"No API key for the {role}: {why}, but {key_name} (or OPENAI_API_KEY for both roles) is not set. "
                f"Set it in the environment or in .env; for a server without keys write `none`."
            )
