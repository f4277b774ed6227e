"""Names of OpenTelemetry's conventions for generative AI, and what of ours they are for. Pure.

Source: github.com/open-telemetry/semantic-conventions-genai, where they live since release 1.42 of the others: spans
`chat`, `execute_tool`, `invoke_agent`, `invoke_workflow`, the event `gen_ai.evaluation.result`, the metrics.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from agentbatch.runs.telemetry.span import Value
from agentbatch.usage import Usage

OTHER = "_OTHER"
"""The conventions' word for what has no name of its own."""

_PROVIDERS = (
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("openai.azure.com", "azure.ai.openai"),
    ("ai.azure.com", "azure.ai.inference"),
    ("amazonaws.com", "aws.bedrock"),
    ("anthropic.com", "anthropic"),
    ("cohere.com", "cohere"),
    ("cohere.ai", "cohere"),
    ("deepseek.com", "deepseek"),
    ("groq.com", "groq"),
    ("mistral.ai", "mistral_ai"),
    ("perplexity.ai", "perplexity"),
    ("x.ai", "x_ai"),
    ("ml.cloud.ibm.com", "ibm.watsonx.ai"),
)
"""Hosts, by their ends. All others speak OpenAI's language, which makes them `openai` by the conventions."""

_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_LONG = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200)


class Instrument(NamedTuple):
    kind: str
    """`histogram`, `counter` or `gauge`."""
    unit: str
    description: str
    buckets: tuple[float, ...] = ()
    """Of a histogram; those of the conventions where they have some."""


INSTRUMENTS = {
    "gen_ai.client.token.usage": Instrument("histogram", "{token}", "Tokens of a model call.", _TOKENS),
    "gen_ai.client.operation.duration": Instrument("histogram", "s", "Time of a model call.", _SECONDS),
    "gen_ai.execute_tool.duration": Instrument("histogram", "s", "Time of a tool call.", _SECONDS),
    "gen_ai.invoke_agent.duration": Instrument("histogram", "s", "Time of a turn or an evaluation.", _LONG),
    "gen_ai.workflow.duration": Instrument("histogram", "s", "Time of a run, a task, an attempt.", _LONG),
    "agentbatch.cost": Instrument("counter", "USD", "What calls with a known price cost."),
    "agentbatch.calls": Instrument("counter", "{call}", "Model calls that ended, by outcome."),
    "agentbatch.call.retries": Instrument("counter", "{attempt}", "Attempts that failed and were repeated."),
    "agentbatch.call.refusals": Instrument("counter", "{attempt}", "Attempts that were answered 429."),
    "agentbatch.task.ends": Instrument("counter", "{task}", "Tasks that ended, by status and reason."),
    "agentbatch.evaluations": Instrument("counter", "{evaluation}", "Evaluations, by outcome."),
    "agentbatch.tasks": Instrument("gauge", "{task}", "Tasks of the run, by status."),
    "agentbatch.requests": Instrument("gauge", "{request}", "Plain requests of the run, by status."),
}


def provider_name(host: str) -> str:
    """`gen_ai.provider.name` of an endpoint."""
    return next((name for end, name in _PROVIDERS if host == end or host.endswith(f".{end}")), "openai")


def endpoint_attributes(url: str) -> dict[str, Value]:
    """Of calls to it; nothing of the address but host and port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        host, port = "", 0
    known: dict[str, Value] = {"server.address": host, "server.port": port} if host else {}
    return {"gen_ai.provider.name": provider_name(host), **known}


def tool_name(word: str) -> str:
    """A tool, as a model called it: a name, or `_OTHER` for whatever else it wrote."""
    return word if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}", word) else OTHER


def error_type(kind: str, status: int | None, sentence: str) -> str:
    """Of a call: the status that was answered, or our class of the failure; empty where there was none."""
    if status is not None and status != 200:
        return str(status)
    return (kind or OTHER) if sentence else ""


def usage_attributes(usage: Usage) -> dict[str, Value]:
    counts = {
        "gen_ai.usage.input_tokens": usage.input,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cached,
        "gen_ai.usage.cache_creation.input_tokens": usage.written,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
    }
    return {name: count for name, count in counts.items() if count}
