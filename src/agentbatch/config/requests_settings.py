"""The settings of `agentbatch requests run`: the table of its flags, as `Settings` is that of a run of tasks."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from agentbatch.config.headers import read_header
from agentbatch.config.loading import explain
from agentbatch.config.option import Option, option
from agentbatch.config.settings import Settings
from agentbatch.config.values import Amount
from agentbatch.errors import UserError
from agentbatch.redaction import shown_url

GROUPS: Mapping[str, str] = {
    "files": "files",
    "ask": "what is asked (of requests that do not say it themselves)",
    "pace": "pace and limits",
    "cost": "cost",
    "resume": "resuming, and in the background",
    "output": "output",
}

ONCE = frozenset(
    {
        "resume",
        "retry_failed",
        "force",
        "daemon",
        "dry_run",
        "notify",
        "header",
        "trust_changes",
        "metrics_port",
    }
)
"""Settings of one session, not of the batch. `notify` and `header` have secrets besides: they are not
stored."""


class RequestsSettings(BaseModel):
    """What can be said of a batch besides `SHARED`. Field metadata holds the flags; None: not set."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    input: Annotated[str, option(None, ())] = Field(
        "-", description="the requests, one a line; -: standard input"
    )
    output: Annotated[Path | None, option("-o/--output", (), "OUT.jsonl", "files")] = Field(
        None, description="the answers, one a line"
    )
    ordered: Annotated[bool, option("--ordered", (), "", "files")] = Field(
        False, description="put the output into the order of the input, at the end"
    )

    model: Annotated[str | None, option("--model", (), "NAME", "ask")] = Field(
        None, description="the model [CODER_MODEL]"
    )
    system: Annotated[Path | None, option("--system", (), "FILE", "ask")] = Field(
        None, description="a system message"
    )
    temperature: Annotated[float | None, option("--temperature", (), "T", "ask")] = Field(
        None, allow_inf_nan=False, description="the model's own by default"
    )
    max_tokens: Annotated[int | None, option("--max-tokens", (), "N", "ask")] = Field(
        None, ge=1, le=10_000_000, description="tokens of an answer, at most"
    )
    json_schema: Annotated[Path | None, option("--json-schema", (), "FILE", "ask")] = Field(
        None, description="answers keep to it; one that does not is asked for once more"
    )

    concurrency: Annotated[int, option("--concurrency", (), "N", "pace")] = Field(
        10, ge=1, le=10_000, description="requests at once, at most"
    )
    batch_size: Annotated[int, option("--batch-size", (), "N", "pace")] = Field(
        1, ge=1, le=10, description="short requests that share a call, 1 to 10"
    )
    timeout: Annotated[Amount | None, option("--timeout", (), "SECONDS", "pace")] = Field(
        None, description="time for the whole batch"
    )
    max_cost: Annotated[Amount | None, option("--max-cost", (), "USD", "cost")] = Field(
        None, description="US dollars for this session"
    )
    no_dedupe: Annotated[bool, option("--no-dedupe", (), "", "cost")] = Field(
        False, description="pay for each of several requests that ask the same"
    )
    cache: Annotated[bool, option("--cache", (), "", "cost")] = Field(
        False, description="use answers of earlier batches, and keep these"
    )
    provider_batch: Annotated[bool, option("--provider-batch", (), "", "cost")] = Field(
        False, description="through the provider's batch service: half the price, within a day"
    )
    dry_run: Annotated[bool, option("--dry-run", (), "", "cost")] = Field(
        False, description="count, and estimate; send nothing"
    )

    resume: Annotated[bool, option("--resume", (), "", "resume")] = Field(
        False, description="resume the batch of this input"
    )
    retry_failed: Annotated[bool, option("--retry-failed", (), "", "resume")] = Field(
        False, description="resume it, and ask again what failed"
    )
    force: Annotated[bool, option("--force", (), "", "resume")] = Field(
        False, description="start again from the beginning; pays for everything again"
    )
    daemon: Annotated[bool, option("--daemon", (), "", "resume")] = Field(
        False, description="run in the background; agentbatch status shows it"
    )
    quiet: Annotated[bool, option("--quiet", (), "", "output")] = Field(
        False, description="only what went wrong"
    )

    @property
    def resuming(self) -> bool:
        """The latest batch of this input is resumed."""
        return self.resume or self.retry_failed


class SharedSetting(NamedTuple):
    """How a setting of `Settings` is set here."""

    group: str
    description: str = ""
    """Empty: as there."""
    flag: str = ""
    """Empty: as there."""
    maximum: int | None = None
    """Of the flag; None: as there."""


SHARED: Mapping[str, SharedSetting] = {
    "coder_endpoint": SharedSetting("ask", "the OpenAI-compatible endpoint", flag="--endpoint"),
    "header": SharedSetting("ask", "a header of every request; again for more"),
    "ca_bundle": SharedSetting("ask"),
    "client_cert": SharedSetting("ask"),
    "client_key": SharedSetting("ask"),
    "rpm": SharedSetting("pace", "requests a minute"),
    "tpm": SharedSetting("pace", "tokens a minute"),
    "throttle_ms": SharedSetting("pace", "pause between two starts", maximum=2_000),
    "max_retries": SharedSetting("pace", "retries of a request", maximum=5),
    "retry_delay": SharedSetting("pace", "before the first retry; doubles each time"),
    "request_timeout": SharedSetting("pace", "time for each attempt"),
    "wait_for_quota": SharedSetting("pace"),
    "max_failures": SharedSetting(
        "pace", "end it after N failed requests, or P percent of those that ended (from 20 on)"
    ),
    "notify": SharedSetting(
        "output", "notify this apprise URL of the end and of the first failure; again for more"
    ),
    "alert": SharedSetting("output"),
    "metrics_port": SharedSetting("output"),
    "trust_changes": SharedSetting(
        "output", "send a key of the environment to an endpoint that .env names anew"
    ),
    "prices": SharedSetting("output"),
    "display": SharedSetting("output"),
}
"""Settings that the batch shares with runs of tasks, by field: their variables count where no flag is given."""


def requests_options() -> dict[str, tuple[FieldInfo, Option]]:
    """Every setting by field, in the order of `--help`."""
    table: dict[str, tuple[FieldInfo, Option]] = {}
    for field, info in RequestsSettings.model_fields.items():
        table[field] = info, _option(info)
    for field, shared in SHARED.items():
        info = copy.copy(Settings.model_fields[field])
        info.description = shared.description or info.description
        own = _option(info)
        table[field] = info, own._replace(flag=shared.flag or own.flag, group=shared.group)
    return table


def _option(info: FieldInfo) -> Option:
    return next(part for part in info.metadata if isinstance(part, Option))


def load_requests_settings(flags: Mapping[str, Any]) -> RequestsSettings:
    """`flags` holds what was given on the command line, by field; those of `SHARED` are for `load_settings`, and only
    their range is checked here. Raises UserError naming the flag that is wrong."""
    table = requests_options()
    for field, shared in SHARED.items():
        given = str(flags.get(field, ""))
        if shared.maximum is not None and given.isdigit() and int(given) > shared.maximum:
            raise UserError(f"{table[field][1].flag}: must be {_range(0, shared.maximum)}, not {given!r}.")
    own = {field: value for field, value in flags.items() if field in RequestsSettings.model_fields}
    try:
        return RequestsSettings.model_validate(own)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        info, own_option = table[field]
        limits = {
            name: getattr(part, name)
            for part in info.metadata
            for name in ("ge", "le")
            if hasattr(part, name)
        }
        if len(limits) == 2:
            raise UserError(
                f"{own_option.flag}: must be {_range(limits['ge'], limits['le'])}, not {str(flags[field])!r:.40}."
            ) from None
        raise UserError(
            explain(error, {name: opt.flag or name for name, (_, opt) in table.items()})
        ) from None


def _range(minimum: int, maximum: int) -> str:
    return f"a whole number from {minimum} to {maximum}"


def command_words(flags: Mapping[str, Any]) -> list[str]:
    """The command line that says the same, from `agentbatch` on, in the order of the flags; for people."""
    table, words = requests_options(), ["agentbatch", "requests", "run"]
    source = str(flags.get("input", "-"))
    like_a_flag = source.startswith("-") and source != "-"
    words += [] if like_a_flag else [source]
    for field, value in flags.items():
        named = option("--env-file", ()) if field == "env_file" else table[field][1]
        if field == "display":
            words += ["--json"] if value == "json" else []
        elif field == "header":
            values = value if isinstance(value, list) else [value]
            words += [word for text in values for word in named.words(f"{read_header(str(text))[0]}=...")]
        elif named.flag and value is True:
            words.append(named.flag)
        elif named.flag:
            for part in value if isinstance(value, list) else [value]:
                words += named.words(str(part))
    return [*words, "--", source] if like_a_flag else words


def lasting(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the flags that is for all sessions of a batch, as JSON."""
    kept = {field: value for field, value in flags.items() if field not in ONCE}
    kept |= {"coder_endpoint": shown_url(str(kept["coder_endpoint"]))} if "coder_endpoint" in kept else {}
    return {field: value if isinstance(value, bool) else str(value) for field, value in kept.items()}
