"""What of OpenTelemetry a user asks for: by the usual OTEL_* variables, and by --metrics-port. Starts nothing."""

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import NamedTuple

from agentbatch.errors import UserError

EXTRA = "pip install 'agentbatch[otel]'"

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_{}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_MODULES = (
    "opentelemetry.sdk",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.exporter.prometheus",
)
"""All that the process imports."""

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_HOST = "OTEL_EXPORTER_PROMETHEUS_HOST"

_PASSED_ON = ("OTEL_", "SSL_CERT_", "LC_", "PYTHON")
_PASSED_ON_TOO = frozenset(
    {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY",
     "ALL_PROXY", "NO_PROXY"}
)  # fmt: skip


class TelemetryRequest(NamedTuple):
    """What leaves this machine, or is shown on it."""

    traces: bool = False
    metrics: bool = False
    """By OTLP."""
    port: int | None = None
    """Of the Prometheus endpoint; 0: any that is free."""
    host: str = "127.0.0.1"
    content: bool = False
    """Prompts and answers too."""
    notices: tuple[str, ...] = ()
    """What is asked for and cannot be had."""

    @property
    def anything(self) -> bool:
        return self.traces or self.metrics or self.port is not None


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def asked_for(
    environ: Mapping[str, str], port: int | None = None, *, installed: Callable[[str], bool] = _installed
) -> TelemetryRequest:
    """Pure but for a look at what is installed. Raises UserError where a flag asks for what is not."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return TelemetryRequest(
            notices=("OTEL_SDK_DISABLED is set: --metrics-port shows nothing.",) if port is not None else ()
        )
    signals, notices = _signals(environ)
    there = all(map(installed, _MODULES)) if port is not None or signals else True
    if port is not None and not there:
        raise UserError(f"--metrics-port needs OpenTelemetry: {EXTRA}.")
    if signals and not there:
        text = (
            f"The environment names an OTLP endpoint; nothing is sent to it without OpenTelemetry: {EXTRA}."
        )
        signals, notices = frozenset(), (*notices, text)
    captured = environ.get(_CAPTURE, "").strip().lower()
    return TelemetryRequest(
        traces="traces" in signals,
        metrics="metrics" in signals,
        port=port,
        host=environ.get(_HOST, "").strip() or TelemetryRequest().host,
        content=captured in ("true", "span_only", "span_and_event"),
        notices=notices,
    )


def _signals(environ: Mapping[str, str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Those that an endpoint is named for, and what speaks against sending them."""
    found, notices = set(), []
    for signal in ("traces", "metrics"):
        named = next(
            filter(None, (environ.get(of.format(signal.upper()), "").strip() for of in _ENDPOINTS)), ""
        )
        if not named or not _exports(environ, signal):
            continue
        specific = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "").strip()
        protocol = specific or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or "http/protobuf"
        if not named.lower().startswith(("http://", "https://")):
            notices.append(
                f"No {signal} are sent: the OTLP endpoint is no address like http://127.0.0.1:4318."
            )
        elif protocol == "http/protobuf":
            found.add(signal)
        else:
            notices.append(
                f"No {signal} are sent: the OTLP protocol is to be {protocol[:40]!r}, and agentbatch speaks "
                "http/protobuf (port 4318 of a collector)."
            )
    return frozenset(found), tuple(notices)


def _exports(environ: Mapping[str, str], signal: str) -> bool:
    chosen = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp")
    return "otlp" in [word.strip() for word in (chosen or "otlp").split(",")]


def open_port(asked: TelemetryRequest) -> AbstractContextManager[socket.socket | None]:
    """A listening socket for the Prometheus endpoint, so that a port that is taken is known before the run. Raises
    UserError."""
    if asked.port is None:
        return nullcontext()
    try:
        return socket.create_server((asked.host, asked.port))
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such address"
        where = f"{asked.host} (of {_HOST})" if asked.host != TelemetryRequest().host else asked.host
        raise UserError(
            f"--metrics-port {asked.port}: {where} cannot be listened on: {why}. Name another port; 0 takes a free one."
        ) from None


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Of the process that exports: no key of a model's among it."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(_PASSED_ON) or name.upper() in _PASSED_ON_TOO
    }


def telemetry_secrets(environ: Mapping[str, str]) -> list[str]:
    """Values of headers that OTLP is sent with: tokens, as a rule."""
    names = (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    )
    pairs = [pair for name in names for pair in environ.get(name, "").split(",")]
    return [value.strip() for _, found, value in (pair.partition("=") for pair in pairs) if found]
