"""Putting settings together: flags > environment > .env > defaults. Nothing here writes to os.environ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import ValidationError

from agentbatch.config.env_file import EnvFile, doubts, load_env_file
from agentbatch.config.settings import DEFAULT_MODEL, Settings, is_secret, options
from agentbatch.errors import UserError
from agentbatch.problems import all_problems, in_one
from agentbatch.redaction import shown_url
from agentbatch.text import clip

USUAL_MODELS: Mapping[str, str] = {
    "api.deepseek.com": "deepseek-v4-flash",  # as deepseek-chat of the original, whose .env has no model
    **dict.fromkeys(
        (
            "api.anthropic.com",
            "generativelanguage.googleapis.com",
            "api.mistral.ai",
            "codestral.mistral.ai",
            "api.groq.com",
            "api.cerebras.ai",
            "api.x.ai",
            "api.moonshot.ai",
            "api.moonshot.cn",
            "open.bigmodel.cn",
            "api.z.ai",
            "dashscope.aliyuncs.com",
            "dashscope-intl.aliyuncs.com",
            "api-inference.modelscope.cn",
            "api.together.xyz",
            "api.fireworks.ai",
            "api.cohere.ai",
        ),
        "",
    ),
}
"""Hosts that do not have our default model, with the one that is meant there; empty: nobody can tell."""

ROLES = (("coder_model", "coder_endpoint"), ("evaluation_model", "evaluation_base_url"))
ROLE_FIELDS = frozenset({*ROLES[0], *ROLES[1], "coder_api_key", "evaluation_api_key"})


class LoadedSettings(NamedTuple):
    settings: Settings
    sources: Mapping[str, str]
    """Where each setting comes from that is not its default: `--rpm`, `CODER_MODEL in .env`, `OPENAI_API_KEY`."""
    notes: tuple[str, ...]
    """Sentences about what is set and has no effect, and about what was taken for it."""


def read_env_file(path: Path | None, folder: Path) -> Mapping[str, str]:
    """The variables of an env file: `path` when named (then it must exist), else `.env` in `folder` if any."""
    return load_env_file(path, folder).values


def load_settings(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    env_file: Path | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings alone, as `load` puts them together."""
    return load(flags, environ, env_file, folder).settings


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    env_file: Path | None = None,
    folder: Path | None = None,
) -> LoadedSettings:
    """Put the settings together.

    `flags` holds only what was given on the command line, by field name. An empty variable counts as not
    set. Raises UserError naming the flag or variable that is wrong, or the key that is missing.
    """
    file = load_env_file(env_file, folder or Path.cwd())
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for field, opt in options().items():
        if field in flags:
            values[field], sources[field] = flags[field], opt.flag or f"--{field}"
            continue
        for name in opt.env:
            found = environ.get(name) or file.values.get(name)
            if found:
                where = "" if environ.get(name) else f" in {env_file or '.env'}"
                values[field], sources[field] = found, name + where
                break
    _one_key_a_role(values, sources, named=env_file is not None)
    notes = _settle_doubts(file, environ, sources, here="local" in values)
    _leave_roles_to_local(values, sources, flags)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise UserError(explain(error, sources)) from None
    _check_keys(settings, sources)
    settings, usual = _with_usual_models(settings, sources)
    named = _named_by_file(settings, values, sources, trusted=env_file is not None)
    return LoadedSettings(settings.from_sources(sources, named), sources, (*notes, *usual))


def _in_file(source: str) -> bool:
    """Whether a setting comes from the env file, by what `LoadedSettings.sources` says of it."""
    return " in " in source


REACHING_OUT = (
    "output",
    "report",
    "local",
    "ca_bundle",
    "apply",
    "notify",
    "coder_login",
    "cluster",
    "image",
)
"""What a task could turn to its own good besides: files written anywhere, one that a program in C reads, certificates,
the user's directories, who is told of the run, logins that are shown to coders, and the programs of every check."""


def _named_by_file(
    settings: Settings, values: Mapping[str, Any], sources: Mapping[str, str], *, trusted: bool
) -> dict[str, tuple[str, str]]:
    """As `Settings.named_by_file`. `trusted`: the user named the file, which was there and so hidden from tasks."""
    found = {}
    for endpoint, role in (("coder_endpoint", "coder"), ("evaluation_base_url", "evaluation")):
        keys = (f"{role}_api_key", f"{role}_api_key_command", f"{role}_headers", "header")
        elsewhere = any(key in sources and not _in_file(sources[key]) for key in keys)
        if elsewhere and _in_file(sources.get(endpoint, "")):
            found[endpoint] = (sources[endpoint], values[endpoint])
    if _in_file(sources.get("sandbox", "")) and values["sandbox"] == "none":
        found["sandbox"] = (sources["sandbox"], "none")
    for field in () if trusted else REACHING_OUT:
        if _in_file(sources.get(field, "")) and getattr(settings, field):
            found[field] = (sources[field], _as_text(settings, field))
    return found


def _as_text(settings: Settings, field: str) -> str:
    if field == "notify":
        return settings.notify_digest
    value = getattr(settings, field)
    return ",".join(value) if isinstance(value, tuple) else str(value)


def unread_variables(environ: Mapping[str, str]) -> list[str]:
    """Sentences about variables of the environment that are almost ours."""
    known = {name for opt in options().values() for name in opt.env}
    return [doubt.sentence for doubt in doubts(EnvFile(Path()), environ, known)]


def _settle_doubts(
    file: EnvFile, environ: Mapping[str, str], sources: Mapping[str, str], *, here: bool
) -> list[str]:
    """What is only to be said. Raises UserError where a role would go without the key, model or endpoint that is meant:
    it would play another model, or the key would go to another host. `here`: a local model plays."""
    fields = {name: field for field, opt in options().items() for name in opt.env}
    keyed = "coder_api_key" in sources or "evaluation_api_key" in sources
    notes = []
    for doubt in doubts(file, environ, fields):
        missing = any(
            doubt.meant in opt.env and field in ROLE_FIELDS and field not in sources
            for field, opt in options().items()
        )
        if missing and not here and (keyed or doubt.in_file):
            raise UserError(f"{doubt.sentence} Without it another model or endpoint would be used.")
        notes.append(doubt.sentence)
    return notes


def _with_usual_models(settings: Settings, sources: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """A role at the endpoint of a provider that does not have the default model: the provider's usual one, if it has
    one for us. Raises UserError where it has none."""
    notes = []
    for model, endpoint in ROLES:
        if model in sources or endpoint not in sources:
            continue
        url, variable = str(getattr(settings, endpoint)), options()[model].env[0]
        host = urlsplit(url).hostname or ""
        usual = USUAL_MODELS.get(host)
        if usual is None:
            continue
        if not usual:
            raise UserError(
                f"{sources[endpoint]} is {host}, which does not have the default model {DEFAULT_MODEL}: set {variable}."
            )
        notes.append(f"{variable} is not set: {usual} is asked at {host}.")
        settings = settings.model_copy(update={model: usual})
    return settings, notes


def _one_key_a_role(values: dict[str, Any], sources: dict[str, str], *, named: bool) -> None:
    """A key and a command that prints one exclude each other: the role's own wins over the one of both roles, the
    environment over the file. `named`: the user named the file. Raises UserError for two of one rank, and for a command
    in a `.env` that lies about: whoever wrote it would have it run."""
    for role in ("coder", "evaluation"):
        key, command = f"{role}_api_key", f"{role}_api_key_command"
        if command not in sources:
            continue
        if _in_file(sources[command]) and not named:
            raise UserError(
                f"{sources[command]} is not run, since a task's coder could have written that file: set it in the "
                "environment, or name the file with --env-file."
            )
        if key not in sources:
            continue
        ranks = {
            field: (not sources[field].startswith("OPENAI_"), not _in_file(sources[field]))
            for field in (key, command)
        }
        if ranks[key] == ranks[command]:
            raise UserError(f"{sources[key]} and {sources[command]} are both set: leave one of them out.")
        loser = min(ranks, key=lambda field: ranks[field])
        del values[loser], sources[loser]


_WITH_AN_AT = ("escalate",)
"""Settings in which what stands before an @ is no user and no password."""


def _shown(given: object) -> str:
    return repr(clip(shown_url(str(given)), 100))


def _shown_at(given: object) -> str:
    return repr(clip(str(given), 100))


def explain(error: ValidationError, sources: Mapping[str, str]) -> str:
    """A sentence for a person, or one a line. `sources`: the flag or variable of each field."""
    sentences = []
    for problem in all_problems(error):
        field = str(problem.location[0])
        told = (
            problem.message
            if is_secret(field)
            else problem.told(_shown_at if field in _WITH_AN_AT else _shown)
        )
        sentences.append(f"{sources.get(field, field)}: {told}.")
    return sentences[0] if len(sentences) == 1 else in_one("The settings", sentences)


def _leave_roles_to_local(values: dict[str, Any], sources: dict[str, str], flags: Mapping[str, Any]) -> None:
    """With `--local` only a role whose endpoint has a flag is played elsewhere: variables of the other are not used.

    Raises UserError when nothing is left to the local model, or a flag names another model for its role.
    """
    if "local" not in values:
        return
    roles = {
        "coder_endpoint": ("coder_model", "coder_api_key", "coder_api_key_command", "coder_headers"),
        "evaluation_base_url": (
            *("evaluation_model", "evaluation_api_key"),
            *("evaluation_api_key_command", "evaluation_headers"),
        ),
    }
    if flags.keys() >= roles.keys():
        if "local" in flags:
            raise UserError(
                "--local plays the roles that have no endpoint flag, and here both have one: leave out --local, "
                "--coder-endpoint or --evaluator-endpoint."
            )
        del values["local"]  # a variable's; the flags win
        return
    for endpoint, others in roles.items():
        if endpoint in flags:
            continue
        model = others[0]
        if model in flags:
            raise UserError(
                f"{sources[model]}: with --local this role is played by the local model; name the role's endpoint too, "
                "or leave the flag out."
            )
        for field in (endpoint, *others):
            values.pop(field, None)
            sources.pop(field, None)


def _check_keys(settings: Settings, sources: Mapping[str, str]) -> None:
    """One role with a key and the other without is a mistake; so is an endpoint without a key."""
    for role, key, key_name, endpoint in (
        ("coder", settings.has_key("coder"), "CODER_API_KEY", "coder_endpoint"),
        ("evaluator", settings.has_key("evaluation"), "EVALUATION_API_KEY", "evaluation_base_url"),
    ):
        if settings.local is not None and endpoint not in sources:
            continue
        if role == "evaluator" and settings.judge == "none":
            continue
        if role == "coder" and endpoint not in sources and settings.other_coders:
            continue  # who may ask no model of ours: that is known with the tasks
        if not key and (not settings.rehearsal or endpoint in sources):
            why = f"{sources[endpoint]} is set" if endpoint in sources else OTHER_KEY
            raise UserError(no_key(role, why, key_name))


OTHER_KEY = "the other role has a key"


def no_key(role: str, why: str = OTHER_KEY, key_name: str = "CODER_API_KEY") -> str:
    """What to do about a key that is missing."""
    return (
        f"No API key for the {role}: {why}, but {key_name} (or OPENAI_API_KEY for both roles) is not set. "
        "Set it in the environment or in .env; for a server without keys write `none`."
    )
