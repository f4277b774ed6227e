"""Checking everything before a batch of plain requests: input, output, schema, prices."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from agentbatch.config import Settings
from agentbatch.config.requests_settings import RequestsSettings
from agentbatch.errors import UserError, cannot_be
from agentbatch.files import check_writable, open_own
from agentbatch.requests.options import BatchOptions
from agentbatch.requests.provider.ledger import check_none_at_provider
from agentbatch.requests.spec.input_file import check_requests
from agentbatch.requests.spec.make_values import read_text
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.structured import read_schema
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.named_anew import refuse_for_requests
from agentbatch.runs.services.notify import check_notify
from agentbatch.spending.pricing import Prices, require_prices

REHEARSAL_MODEL = "rehearsal-plain"

STDIN = "-"
"""An input of this name is standard input."""

SPOOLED = "input.jsonl"
"""What came from standard input, in the run's folder."""

MAX_MODELS = 1_000
"""Models of one batch whose prices are looked up beforehand."""


WITHOUT_MEANING = ("concurrency", "rpm", "tpm", "throttle_ms", "batch_size")
"""Flags that say nothing to the provider's batch service, which sets its own pace."""


AS_GIVEN = {"temperature", "max_tokens", "concurrency", "batch_size", "timeout", "max_cost"}
"""Settings that are options of the batch as they are."""


@dataclass(frozen=True)
class PreparedRequests:
    """A batch with everything checked. Making one spends nothing, and writes nothing but a copy of standard input."""

    settings: Settings
    options: RequestsSettings
    folder: Path
    """Where the command runs."""
    environ: Mapping[str, str]
    source: Path
    """As the user named it."""
    spooled: bool
    """`source` is a copy in a folder that goes away."""
    total: int
    batch: BatchOptions
    """Without what depends on the run's folder: journal, cache, and the provider's batch service."""
    resumed: RunFolder | None = None
    """The run that is resumed; None: a new one."""

    @property
    def output(self) -> Path:
        if self.options.output is None:
            raise UserError("Say where the answers go: -o OUT.jsonl.")
        return (self.folder / self.options.output).absolute()

    @property
    def name(self) -> str:
        """The input, for a person."""
        return "standard input" if self.options.input == STDIN else self.options.input

    def cleanup(self) -> None:
        """Remove the copy of standard input."""
        if self.spooled:
            shutil.rmtree(self.source.parent, ignore_errors=True)


def prepare_requests(
    settings: Settings,
    options: RequestsSettings,
    folder: Path,
    environ: Mapping[str, str],
    *,
    stdin: BinaryIO | None = None,
    resumed: RunFolder | None = None,
) -> PreparedRequests:
    """Check everything. `stdin` is read where the input is `-`, or the run's own copy of it. Raises UserError."""
    if settings.local is not None:
        raise UserError(
            "A batch of plain requests goes to an endpoint, and starts no local model: leave AGENTBATCH_LOCAL out, "
            "start the server yourself, and name it with --endpoint."
        )
    if resumed is not None and not options.provider_batch:
        check_none_at_provider(resumed.journal)
    if not settings.trust_changes:
        refuse_for_requests(folder, settings.named_by_file)
    batch = _batch(settings, options, folder)
    source, spooled = _source(options.input, folder, stdin, resumed)
    models: set[str] = set()

    def check(request: BatchRequest) -> None:
        model = str(batch.apply(request).body["model"])
        if len(models) < MAX_MODELS:
            models.add(model)

    prepared = PreparedRequests(settings, options, folder, environ, source, spooled, 0, batch, resumed)
    try:
        prepared = replace(prepared, total=check_requests(source, check))
        _check_priced(prepared, models)
        check_notify(settings.notify)
    except BaseException:
        prepared.cleanup()
        raise
    return prepared


def _batch(settings: Settings, options: RequestsSettings, folder: Path) -> BatchOptions:
    schema: Any = None
    if options.json_schema is not None:
        schema = read_schema(folder / options.json_schema, str(options.json_schema))
    model = options.model or (REHEARSAL_MODEL if settings.rehearsal else settings.coder_model)
    system = read_text(folder / options.system).strip() if options.system is not None else None
    return BatchOptions(
        model=model,
        system=system,
        json_schema=schema,
        dedupe=not options.no_dedupe,
        prices=None if settings.rehearsal else Prices.of(settings.prices, folder),
        **options.model_dump(include=AS_GIVEN),
    )


def check_flags(flags: Mapping[str, Any]) -> None:
    """Raises UserError for flags that make no sense with the provider's batch service."""
    if not flags.get("provider_batch"):
        return
    given = [name for name in WITHOUT_MEANING if name in flags and (name, flags[name]) != ("batch_size", "1")]
    if given:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UserError(
            f"{names} {'means' if len(given) == 1 else 'mean'} nothing with --provider-batch: the provider sets the "
            f"pace, and each request is its own. Leave {'it' if len(given) == 1 else 'them'} out."
        )


def check_output(output: Path, source: Path) -> None:
    """Raises UserError when answers cannot be written there."""
    check_writable(output, "output", "-o")
    if output.is_symlink() and not output.exists():
        raise UserError(
            f"The output {output} is a link to a file that is not there: a task may have made it. Remove it, or name "
            "another file with -o."
        )
    try:
        same = output.samefile(source)
    except OSError:
        same = False
    if same:
        raise UserError("The output cannot be the input.")


def _source(name: str, folder: Path, stdin: BinaryIO | None, resumed: RunFolder | None) -> tuple[Path, bool]:
    """The input as a file that can be read twice, and whether it is a copy."""
    path = folder / name
    if resumed is not None and (name == STDIN or (resumed.path / SPOOLED).is_file()):
        return resumed.path / SPOOLED, False
    if name != STDIN and (path.is_file() or not path.exists()):
        return Path(name) if folder == Path.cwd() else path, False
    if path.is_dir():
        raise UserError(f"{name} is a folder; name a file of JSON lines.")
    if name == STDIN and stdin is None:
        raise UserError("There is no standard input here: name a file.")
    copy = Path(tempfile.mkdtemp(prefix="agentbatch-")) / SPOOLED
    try:
        with open(copy, "wb", opener=open_own) as writing:
            if name == STDIN and stdin is not None:
                shutil.copyfileobj(stdin, writing)
            else:
                with open(path, "rb") as reading:
                    shutil.copyfileobj(reading, writing)
    except BaseException as error:
        shutil.rmtree(copy.parent, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_be("read", name, error) from None
        raise
    return copy, True


def _check_priced(prepared: PreparedRequests, models: set[str]) -> None:
    """A budget in dollars holds only where every model's price is known."""
    prices = prepared.batch.prices
    if prepared.options.max_cost is None:
        return
    if prices is None:
        raise UserError("--max-cost: the rehearsal model costs nothing; it needs no budget.")
    url = prepared.settings.coder_endpoint
    require_prices(prices, ((model, url) for model in sorted(models)), "--max-cost")
