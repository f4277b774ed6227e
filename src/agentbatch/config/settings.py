"""The settings of a run: one pydantic model, whose fields are the single table of flags, variables and checks."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from agentbatch.config.contestants import BUILTIN, Contestant, contestants
from agentbatch.config.headers import Header, has_key, merged, read_header, secret_values
from agentbatch.config.option import Option, option
from agentbatch.config.values import (
    Addresses,
    Alerts,
    Amount,
    ApiChoice,
    CoderModels,
    DisplayName,
    Headers,
    Isolation,
    JudgeName,
    Key,
    MaxFailures,
    Mode,
    Models,
    Pattern,
    PromptCacheChoice,
    QuotaWait,
    Reports,
    SandboxName,
    Share,
    Slice,
    Steps,
    StopAt,
    ToolModeChoice,
    Url,
    Words,
)
from agentbatch.patterns import regex
from agentbatch.redaction import secrets_in

DEFAULT_MODEL = "gpt-5-mini"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
REHEARSAL_CODER = "rehearsal-coder"
REHEARSAL_CODERS = regex(rf"{REHEARSAL_CODER}(?:-(100|[1-9]?\d))?")
"""Also `rehearsal-coder-70`, which solves seven of ten (task, seed) pairs."""
REHEARSAL_EVALUATOR = "rehearsal-evaluator"

TEST_MODE_TASKS = 3
"""Test mode runs the first three tasks (the original's)."""

SERIAL_REST_MS = 2000
"""Rest between two tasks in serial mode, ms (the original's)."""

DEFAULT_COMPARISON = (
    "deepseek-v4-flash",
    "gpt-4o",
    "gpt-5",
    "gpt-3.5-turbo",
    "claude-3-opus",
    "claude-3-sonnet",
    "claude-opus-5",
    "claude-sonnet-5",
    "gemini-2.5-pro",
    "qwen3-coder",
)


class RoleSettings(BaseModel):
    """Which model plays a role, and where."""

    model_config = ConfigDict(frozen=True)

    model: str
    base_url: str
    api_key: SecretStr
    key_command: SecretStr = SecretStr("")
    """Prints the key; empty: there is none."""
    headers: tuple[SecretStr, ...] = ()
    """Of every request, as `read_header` takes them."""
    api: ApiChoice = "auto"
    named_by: str = ""
    """What names the address, or would, as the end of a sentence: `OPENAI_BASE_URL in .env sets it`."""

    @property
    def access(self) -> tuple[str, ...]:
        """What makes one endpoint of two roles: the address and all that is sent to it as a key."""
        secrets = (self.api_key, self.key_command, *self.headers)
        return (self.base_url, *(secret.get_secret_value() for secret in secrets))


class Settings(BaseModel):
    """Everything that can be set for a run. Field metadata holds the flag and the environment variables."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tasks: Annotated[Path, option("-t/--tasks", "AGENTBATCH_TASKS", "FILE")] = Field(
        Path("task.json"), description="the task file"
    )
    mode: Annotated[Mode | None, option(None, "AGENTBATCH_MODE")] = Field(
        None, description="serial, parallel or test"
    )
    parallel: Annotated[int, option(None, "AGENTBATCH_PARALLEL", "N")] = Field(
        3, ge=1, le=10_000, description="tasks at the same time in parallel mode"
    )
    max_iterations: Annotated[int, option("--max-iterations", "AGENTBATCH_MAX_ITERATIONS", "N")] = Field(
        10, ge=1, le=1000, description="coder turns a task may take"
    )
    timeout: Annotated[Amount | None, option("--timeout", "AGENTBATCH_TIMEOUT", "SECONDS")] = Field(
        None, description="seconds a task may take; no limit by default"
    )
    filter: Annotated[Pattern | None, option("--filter", "AGENTBATCH_FILTER", "REGEX")] = Field(
        None, description="only tasks whose id, dir or prompt matches"
    )
    slice: Annotated[Slice | None, option("--slice", "AGENTBATCH_SLICE", "A:B")] = Field(
        None,
        description="only tasks A to B-1 of those chosen, counted from 0",
    )
    limit: Annotated[int | None, option("--limit", "AGENTBATCH_LIMIT", "N")] = Field(
        None, ge=1, description="at most N tasks"
    )
    stale: Annotated[bool, option("--stale", "AGENTBATCH_STALE")] = Field(
        False, description="only tasks with an input newer than an output (or without outputs)"
    )
    missing: Annotated[bool, option("--missing", "AGENTBATCH_MISSING")] = Field(
        False, description="only tasks that lack an output"
    )
    paths: Annotated[Words, option(None, "AGENTBATCH_PATHS")] = Field(
        (), description="only tasks whose directory or generated path lies in one of these"
    )
    isolation: Annotated[Isolation, option("--isolation", "AGENTBATCH_ISOLATION")] = Field(
        "none", description="where tasks work, unless they say so themselves"
    )
    apply: Annotated[bool, option("--apply", "AGENTBATCH_APPLY")] = Field(
        False,
        description="copy back what a completed task changed in its copy, unless it was changed outside too",
    )
    trust_changes: Annotated[bool, option("--trust-changes", ())] = Field(
        False,
        description="take what tasks changed in agents/, prompts/, .env, prices and task file: --apply copies it back, "
        "and a key of the environment goes to an endpoint that .env names anew",
    )
    attempts: Annotated[int, option("--attempts", "AGENTBATCH_ATTEMPTS", "N")] = Field(
        1, ge=1, le=100, description="attempts at each task, each in a place of its own; the best is taken"
    )
    stop_at: Annotated[StopAt, option("--stop-at", "AGENTBATCH_STOP_AT")] = Field(
        "first", description="end a task's attempts once the first is completed, or let all come to their end"
    )
    models: Annotated[CoderModels, option(None, ())] = Field(
        (), description="coder models that a comparison tries on every task, comma-separated"
    )
    coders: Annotated[CoderModels, option(None, ())] = Field(
        (), description="coders that a comparison tries on every task, NAME or NAME:MODEL, comma-separated"
    )
    escalate: Annotated[Steps, option("--escalate", "AGENTBATCH_ESCALATE", "N:MODEL")] = Field(
        (),
        description="a stronger coder model, or @CODER, after N iterations that were not accepted; several with commas",
    )
    rest_ms: Annotated[int | None, option("--rest-ms", "AGENTBATCH_REST_MS", "MS")] = Field(
        None,
        ge=0,
        le=3_600_000,
        description="pause between tasks; 2000 in serial mode (from an end to the next start), else 0",
    )
    dry_run: Annotated[bool, option("--dry-run", "AGENTBATCH_DRY_RUN")] = Field(
        False, description="show the plan, the prompts' tokens and the minimum cost; run nothing"
    )

    resume: Annotated[bool, option("--resume", "AGENTBATCH_RESUME", "", "resume")] = Field(
        False, description="resume the latest run of this task file, if there is one"
    )
    retry_failed: Annotated[bool, option("--retry-failed", "AGENTBATCH_RETRY_FAILED", "", "resume")] = Field(
        False, description="resume, and run failed tasks again from their start"
    )
    reason: Annotated[Models, option("--reason", "AGENTBATCH_REASON", "REASON", "resume")] = Field(
        (),
        description="the same for those alone that ended with this reason: setup, model_error; several with commas",
    )
    force: Annotated[bool, option("--force", "AGENTBATCH_FORCE", "", "resume")] = Field(
        False, description="resume, and run all tasks again from their start, completed ones too"
    )
    daemon: Annotated[bool, option("--daemon", "AGENTBATCH_DAEMON", "", "resume")] = Field(
        False, description="run in the background; return once the run can be watched"
    )

    max_cost: Annotated[Amount | None, option("--max-cost", "AGENTBATCH_MAX_COST", "USD", "budget")] = Field(
        None, description="US dollars the run may spend"
    )
    max_tokens: Annotated[int | None, option("--max-tokens", "AGENTBATCH_MAX_TOKENS", "N", "budget")] = Field(
        None, ge=1, description="tokens the run may use, in and out"
    )
    max_time: Annotated[Amount | None, option("--max-time", "AGENTBATCH_MAX_TIME", "SECONDS", "budget")] = (
        Field(None, description="seconds after which the run makes no more model calls")
    )
    task_max_cost: Annotated[
        Amount | None, option("--task-max-cost", "AGENTBATCH_TASK_MAX_COST", "USD", "budget")
    ] = Field(None, description="US dollars for each task without a max_cost of its own")
    task_max_tokens: Annotated[
        int | None, option("--task-max-tokens", "AGENTBATCH_TASK_MAX_TOKENS", "N", "budget")
    ] = Field(None, ge=1, description="tokens for each task without a max_tokens of its own")
    fail_fast: Annotated[bool, option("--fail-fast", "AGENTBATCH_FAIL_FAST", "", "budget")] = Field(
        False, description="stop after the first task that fails (as --max-failures 1)"
    )
    max_failures: Annotated[
        MaxFailures | None, option("--max-failures", "AGENTBATCH_MAX_FAILURES", "N|P%", "budget")
    ] = Field(None, description="stop after N failed tasks, or P percent of all")

    notify: Annotated[Addresses, option("--notify", "AGENTBATCH_NOTIFY", "URL", "output")] = Field(
        (),
        description="notify this apprise URL at the first failure and at the end; several: separated by spaces",
    )

    alert: Annotated[Alerts, option("--alert", "AGENTBATCH_ALERTS", "EXPR", "output")] = Field(
        (), description="warn, and notify, when this becomes true: 'failure_rate > 0.1'; again for more"
    )
    metrics_port: Annotated[
        int | None, option("--metrics-port", "AGENTBATCH_METRICS_PORT", "N", "output")
    ] = Field(None, ge=0, le=65_535, description="show metrics to Prometheus on this port; 0: a free one")

    output: Annotated[Path | None, option("-o/--output", "AGENTBATCH_OUTPUT", "FILE", "output")] = Field(
        None, description="the results file; by default named after the mode"
    )
    report: Annotated[Reports, option("--report", "AGENTBATCH_REPORT", "[KIND=]PATH", "output")] = Field(
        (),
        description="write a report at the end: a page, JUnit XML, ...; again for more",
    )
    fail_under: Annotated[
        Share | None, option("--fail-under", "AGENTBATCH_FAIL_UNDER", "PERCENT", "output")
    ] = Field(None, description="exit with 0 if so many of the tasks are completed, else with 1")
    display: Annotated[DisplayName, option("--display", "AGENTBATCH_DISPLAY", "", "output")] = Field(
        "auto", description="how to show the run: rich on a terminal, plain elsewhere; tui: the terminal app"
    )
    ascii: Annotated[bool, option("--ascii", "AGENTBATCH_ASCII", "", "output")] = Field(
        False, description="use plain ASCII characters only in the terminal app"
    )
    verbose: Annotated[bool, option("-v/--verbose", "AGENTBATCH_VERBOSE", "", "output")] = Field(
        False, description="also show every step: model calls, tools, verdicts"
    )
    compare_models: Annotated[
        Models, option("--compare-models", "AGENTBATCH_COMPARE_MODELS", "A,B", "output")
    ] = Field(DEFAULT_COMPARISON, description="models in the cost comparison, comma-separated")
    prices: Annotated[Path | None, option("--prices", "AGENTBATCH_PRICES", "FILE", "output")] = Field(
        None, description="your own prices; ./prices.toml if it exists"
    )

    coder_name: Annotated[str, option("--coder", "AGENTBATCH_CODER", "NAME", "models")] = Field(
        BUILTIN,
        min_length=1,
        description="who works on tasks that do not say it; `agentbatch coders` lists them",
    )
    coder_login: Annotated[Models, option("--coder-login", "AGENTBATCH_CODER_LOGIN", "A,B", "models")] = (
        Field(
            (),
            description="coders that use your login with their provider: they see it, and tell their bill themselves",
        )
    )
    coder_model: Annotated[
        str, option("--coder-model", ("CODER_MODEL", "OPENAI_MODEL"), "NAME", "models")
    ] = Field(DEFAULT_MODEL, min_length=1, description="the coder's model")
    coder_endpoint: Annotated[
        Url,
        option("--coder-endpoint", ("CODER_ENDPOINT", "CODER_BASE_URL", "OPENAI_BASE_URL"), "URL", "models"),
    ] = Field(DEFAULT_BASE_URL, description="the coder's OpenAI-compatible endpoint")
    coder_api_key: Annotated[Key, option(None, ("CODER_API_KEY", "OPENAI_API_KEY"))] = None
    evaluation_model: Annotated[
        str,
        option("--evaluator-model", ("EVALUATION_MODEL", "OPENAI_MODEL"), "NAME", "models"),
    ] = Field(DEFAULT_MODEL, min_length=1, description="the evaluator's model")
    evaluation_base_url: Annotated[
        Url, option("--evaluator-endpoint", ("EVALUATION_BASE_URL", "OPENAI_BASE_URL"), "URL", "models")
    ] = Field(DEFAULT_BASE_URL, description="the evaluator's OpenAI-compatible endpoint")
    evaluation_api_key: Annotated[Key, option(None, ("EVALUATION_API_KEY", "OPENAI_API_KEY"))] = None

    coder_api_key_command: Annotated[
        SecretStr | None, option(None, ("CODER_API_KEY_COMMAND", "OPENAI_API_KEY_COMMAND"))
    ] = None
    evaluation_api_key_command: Annotated[
        SecretStr | None, option(None, ("EVALUATION_API_KEY_COMMAND", "OPENAI_API_KEY_COMMAND"))
    ] = None
    header: Annotated[Headers, option("--header", "AGENTBATCH_HEADERS", "NAME=VALUE", "models")] = Field(
        (), description="a header of every request to both roles' endpoints; again for more"
    )
    coder_headers: Annotated[Headers, option(None, "CODER_HEADERS")] = ()
    evaluation_headers: Annotated[Headers, option(None, "EVALUATION_HEADERS")] = ()
    api: Annotated[ApiChoice | None, option("--api", "AGENTBATCH_API", "", "models")] = Field(
        None,
        description="how the builtin coder's and judge's models are asked: by chat completions, or by the Responses "
        "API; auto, the default: chat, but where the other is known to be better, or the only one",
    )
    coder_api: Annotated[ApiChoice | None, option(None, "CODER_API")] = None
    evaluation_api: Annotated[ApiChoice | None, option(None, "EVALUATION_API")] = None
    ca_bundle: Annotated[
        Path | None,
        option(
            "--ca-bundle",
            ("AGENTBATCH_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
            "FILE",
            "models",
        ),
    ] = Field(
        None, description="certificates to trust in place of the system's: a PEM file, or a folder of them"
    )
    client_cert: Annotated[
        Path | None, option("--client-cert", "AGENTBATCH_CLIENT_CERT", "FILE", "models")
    ] = Field(None, description="a client certificate (PEM, with its key if that has no file of its own)")
    client_key: Annotated[Path | None, option("--client-key", "AGENTBATCH_CLIENT_KEY", "FILE", "models")] = (
        Field(None, description="the client certificate's key")
    )
    client_key_password: Annotated[SecretStr | None, option(None, "AGENTBATCH_CLIENT_KEY_PASSWORD")] = None

    local: Annotated[str | None, option("--local", "AGENTBATCH_LOCAL", "FILE|NAME", "models")] = Field(
        None,
        min_length=1,
        description="a model on this machine (a .gguf file, or a name of `agentbatch models`)",
    )
    local_context: Annotated[
        int | None, option("--local-context", "AGENTBATCH_LOCAL_CONTEXT", "TOKENS", "models")
    ] = Field(None, ge=1024, le=10_000_000, description="its context for each task; by default what fits")
    local_threads: Annotated[
        int | None, option("--local-threads", "AGENTBATCH_LOCAL_THREADS", "N", "models")
    ] = Field(None, ge=1, le=512, description="its threads; by default the physical cores")

    judge: Annotated[JudgeName, option("--evaluator", "AGENTBATCH_EVALUATOR", "", "models")] = Field(
        "model", description="who judges; none: no model, each task's verify decides (with form and examples)"
    )

    checks: Annotated[int | None, option("--checks", "AGENTBATCH_CHECKS", "N", "models")] = Field(
        None,
        ge=0,
        le=20,
        description="checks that the evaluator may write before a task without verify; 0: none; by default 5",
    )

    tool_mode: Annotated[ToolModeChoice, option("--tool-mode", "AGENTBATCH_TOOL_MODE", "", "models")] = Field(
        "auto", description="how the coder's model calls tools; auto finds out and remembers"
    )

    max_retries: Annotated[int, option("--max-retries", "AGENTBATCH_MAX_RETRIES", "N", "calls")] = Field(
        3, ge=0, le=20, description="retries of a failed model call"
    )
    retry_delay: Annotated[float, option("--retry-delay", "AGENTBATCH_RETRY_DELAY", "SECONDS", "calls")] = (
        Field(5.0, ge=0, le=3600, description="first wait before a retry; doubles each time")
    )
    request_timeout: Annotated[
        Amount, option("--request-timeout", "AGENTBATCH_REQUEST_TIMEOUT", "SECONDS", "calls")
    ] = Field(120.0, description="seconds without any data of an answer")
    wait_for_quota: Annotated[
        QuotaWait | None,
        option("--wait-for-quota", "AGENTBATCH_WAIT_FOR_QUOTA", "MAX", "calls", alone="max"),
    ] = Field(
        None,
        description="sleep until a used-up quota is back, at most so long (6h, 2d); alone: 8d; without it: 1h",
    )
    no_stream: Annotated[bool, option("--no-stream", "AGENTBATCH_NO_STREAM", "", "calls")] = Field(
        False, description="request whole answers instead of streams"
    )
    prompt_cache: Annotated[
        PromptCacheChoice, option("--prompt-cache", "AGENTBATCH_PROMPT_CACHE", "", "calls")
    ] = Field(
        "auto", description="mark what the provider is to cache; auto: for Claude models behind gateways"
    )
    rpm: Annotated[int | None, option("--rpm", "AGENTBATCH_RPM", "N", "calls")] = Field(
        None, ge=1, description="requests a minute, per endpoint"
    )
    tpm: Annotated[int | None, option("--tpm", "AGENTBATCH_TPM", "N", "calls")] = Field(
        None, ge=1, description="tokens a minute, per endpoint"
    )
    throttle_ms: Annotated[int, option("--throttle-ms", "AGENTBATCH_THROTTLE_MS", "MS", "calls")] = Field(
        0, ge=0, le=60_000, description="minimum time between two requests to an endpoint"
    )
    max_in_flight: Annotated[
        int | None, option("--max-in-flight", "AGENTBATCH_MAX_IN_FLIGHT", "N", "calls")
    ] = Field(None, ge=1, description="requests at the same time, per endpoint; by default as many as tasks")

    sandbox: Annotated[SandboxName, option("--sandbox", "AGENTBATCH_SANDBOX", "", "shell")] = Field(
        "auto", description="where commands run: bubblewrap, podman, docker, or none; auto uses what works"
    )
    image: Annotated[str | None, option("--image", "AGENTBATCH_IMAGE", "IMAGE", "shell")] = Field(
        None, min_length=1, description="image of the containers of tasks that name none, e.g. python:3.12"
    )
    no_network: Annotated[bool, option("--no-network", "AGENTBATCH_NO_NETWORK", "", "shell")] = Field(
        False, description="run commands without network access"
    )
    cluster: Annotated[str | None, option("--cluster", "AGENTBATCH_CLUSTER", "auto|ADDRESS", "shell")] = (
        Field(
            None,
            min_length=1,
            description="run tasks' commands on this Ray cluster; auto: RAY_ADDRESS, or a Ray of its own here",
        )
    )
    cluster_shared: Annotated[bool, option("--cluster-shared", "AGENTBATCH_CLUSTER_SHARED", "", "shell")] = (
        Field(
            False, description="its machines have this machine's directories at the same paths: nothing moves"
        )
    )
    task_cpus: Annotated[Amount, option("--task-cpus", "AGENTBATCH_TASK_CPUS", "N", "shell")] = Field(
        1.0, description="processors of the cluster that a task takes, unless it says so itself"
    )
    node_wait: Annotated[Amount | None, option("--node-wait", "AGENTBATCH_NODE_WAIT", "SECONDS", "shell")] = (
        Field(
            None,
            description="that a task waits for a machine which the cluster does not have; default: 1800, for ever "
            "where an autoscaler adds machines",
        )
    )

    _named_by_file: Mapping[str, tuple[str, str]] = PrivateAttr(default_factory=dict)

    @property
    def notify_digest(self) -> str:
        """By which two lists of addresses, which may hold keys, can be told apart; empty: there are none."""
        text = "\n".join(one.get_secret_value() for one in self.notify)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16] if text else ""

    @property
    def named_by_file(self) -> Mapping[str, tuple[str, str]]:
        """What the env file alone says, and a task could have written there to its own good: endpoints whose key comes
        from elsewhere, that there is no sandbox, and what reaches out of the folder. By field, the variable and its
        value."""
        return self._named_by_file

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)
    """As `LoadedSettings.sources`."""

    def from_sources(self, sources: Mapping[str, str], by_file: Mapping[str, tuple[str, str]]) -> "Settings":
        """`by_file`: see `named_by_file`."""
        copy = self.model_copy()
        copy._sources, copy._named_by_file = sources, by_file
        return copy

    @property
    def rehearsal(self) -> bool:
        """No key and no local model: the scripted rehearsal model plays both roles."""
        return self.local is None and not self.has_key("coder") and not self.has_key("evaluation")

    def has_key(self, role: Literal["coder", "evaluation"]) -> bool:
        """A key, a command that prints one, or a header that stands for it."""
        key, command = getattr(self, f"{role}_api_key"), getattr(self, f"{role}_api_key_command")
        return key is not None or command is not None or has_key(self._headers(role))

    def _headers(self, role: str) -> tuple[Header, ...]:
        both = (self.header, getattr(self, f"{role}_headers"))
        return merged([read_header(text.get_secret_value()) for text in group] for group in both)

    def _api(self, role: str) -> ApiChoice:
        """The role's own, but where the flag names another for both."""
        own: ApiChoice | None = getattr(self, f"{role}_api")
        by_flag = self._sources.get("api", "").startswith("--")
        return (self.api if by_flag else None) or own or self.api or "auto"

    def _role(self, role: str, model: str, base_url: str) -> RoleSettings:
        key, command = getattr(self, f"{role}_api_key"), getattr(self, f"{role}_api_key_command")
        return RoleSettings(
            model=model,
            base_url=base_url,
            api_key=key or SecretStr(""),
            key_command=command or SecretStr(""),
            headers=tuple(SecretStr(f"{name}={value}") for name, value in self._headers(role)),
            api=self._api(role),
            named_by=self._named_by("coder_endpoint" if role == "coder" else "evaluation_base_url"),
        )

    def _named_by(self, field: str) -> str:
        if field in self._sources:
            return f"{self._sources[field]} sets it"
        if field in self.model_fields_set:
            return ""
        return f"it is the default, and {options()[field].env[-1]} sets another"

    @property
    def retrying(self) -> bool:
        """Failed tasks begin again: all, or those with a `reason`."""
        return self.retry_failed or bool(self.reason)

    @property
    def other_coders(self) -> bool:
        """Others than `builtin` are asked for."""
        return self.coder_name != BUILTIN or bool(self.coders or self.coder_login)

    @property
    def compared(self) -> tuple[Contestant, ...]:
        """Who takes part in a comparison; empty: it is none."""
        return contestants(self.coders, self.models)

    @property
    def coder_is_local(self) -> bool:
        """`local` plays the roles that no endpoint was named for."""
        return self.local is not None and "coder_endpoint" not in self.model_fields_set

    @property
    def evaluator_is_local(self) -> bool:
        return self.local is not None and "evaluation_base_url" not in self.model_fields_set

    @property
    def coder(self) -> RoleSettings:
        return self._role("coder", self.coder_model, self.coder_endpoint)

    @property
    def evaluator(self) -> RoleSettings:
        return self._role("evaluation", self.evaluation_model, self.evaluation_base_url)

    @property
    def secrets(self) -> list[str]:
        """Key values for the redactor, and what stands for a key; the addresses of notifications carry tokens. What a
        command prints is told to the redactor when it has printed it."""
        keys = (self.coder_api_key, self.evaluation_api_key, self.client_key_password, *self.notify)
        headers = self._headers("coder") + self._headers("evaluation")
        addresses = (self.coder_endpoint, self.evaluation_base_url)
        in_addresses = [secret for url in addresses for secret in secrets_in(url)]
        return [k.get_secret_value() for k in keys if k is not None] + secret_values(headers) + in_addresses


def options() -> dict[str, Option]:
    """Every setting's Option by field name, in the order of `--help`."""
    return {
        name: next(m for m in info.metadata if isinstance(m, Option))
        for name, info in Settings.model_fields.items()
    }


def is_secret(field: str) -> bool:
    """Whether its value may never be shown or kept."""
    info = Settings.model_fields.get(field)
    return info is not None and "SecretStr" in str(info.annotation)


def secret_variables() -> frozenset[str]:
    """Names of the environment variables that carry keys."""
    return frozenset(name for field, opt in options().items() if is_secret(field) for name in opt.env)
