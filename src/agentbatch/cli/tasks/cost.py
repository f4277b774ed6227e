"""`agentbatch cost`: what tokens would cost on many models, from numbers or from a results file."""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentbatch.cli.arguments import whole
from agentbatch.config import DEFAULT_COMPARISON, read_env_file
from agentbatch.display.reports.cost_table import render_comparison
from agentbatch.display.writer import Writer
from agentbatch.documents.json_text import mistake
from agentbatch.errors import UserError, cannot_be
from agentbatch.spending.pricing import ComparisonRow, Prices, compare
from agentbatch.text import counted, money
from agentbatch.usage import NAMES, Usage

MAX_TOKENS = 10**15
"""No figure above it is a number of tokens."""

EPILOG = """\
examples:
  agentbatch cost --input 1200 --output 1250
  agentbatch cost --input 90000 --cached 80000 --output 400 --models gpt-5
  agentbatch cost parallel_batch_results.json
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "cost",
        description="Compare what the same tokens cost on many models.\nPrices are built in; yours win.",
        epilog=EPILOG,
    )
    parser.add_argument("results", nargs="?", metavar="RESULTS", help="a results file, instead of numbers")
    parser.add_argument(
        "--input", metavar="TOKENS", type=whole(0, MAX_TOKENS), help="input tokens, including cached ones"
    )
    parser.add_argument(
        "--output", dest="output_tokens", metavar="TOKENS", type=whole(0, MAX_TOKENS), help="output tokens"
    )
    parser.add_argument(
        "--cached",
        metavar="TOKENS",
        type=whole(0, MAX_TOKENS),
        help="input tokens that came from the prompt cache",
    )
    parser.add_argument(
        "--cache-write",
        metavar="TOKENS",
        type=whole(0, MAX_TOKENS),
        help="input tokens that were written into it",
    )
    parser.add_argument(
        "--calls", metavar="N", type=whole(1), help="model calls they took [1]; long requests can cost more"
    )
    # Left out, these keep what the root command's flags of the same meaning said.
    parser.add_argument(
        "--models",
        dest="compare_models",
        metavar="A,B",
        default=argparse.SUPPRESS,
        help="models to compare (AGENTBATCH_COMPARE_MODELS)",
    )
    parser.add_argument(
        "--prices",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="your own prices [./prices.toml when it exists] (AGENTBATCH_PRICES)",
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Print the comparison. Raises UserError for numbers, files and models that are wrong."""
    if args.results is None:
        usage, actual = _usage_from_flags(args), None
    else:
        usage, actual = _usage_from_file(args)
    variables = _variables(args)
    prices = Prices.of(getattr(args, "prices", None) or variables.get("AGENTBATCH_PRICES"), Path.cwd())
    rows = compare(prices, usage, _models(args, variables, prices), datetime.now(UTC))
    _print(usage, rows, actual, as_json=args.as_json)
    return 0


def _usage_from_flags(args: argparse.Namespace) -> Usage:
    if args.input is None or args.output_tokens is None:
        raise UserError("Name what to price: --input TOKENS and --output TOKENS, or a results file.")
    cached, written = args.cached or 0, args.cache_write or 0
    if cached > args.input:
        raise UserError(f"--cached: {cached:,} is more than --input, which includes it ({args.input:,}).")
    if written > args.input - cached:
        raise UserError(
            f"--cache-write: {written:,} is more than the rest of --input ({args.input - cached:,})."
        )
    return Usage(
        input=args.input, cached=cached, written=written, output=args.output_tokens, calls=args.calls or 1
    )


def _usage_from_file(args: argparse.Namespace) -> tuple[Usage, float | None]:
    """The tokens of a whole run, and what they really cost where the file says so (ours does)."""
    given = (args.input, args.output_tokens, args.cached, args.cache_write, args.calls)
    if any(value is not None for value in given):
        raise UserError("Give either numbers or a results file, not both.")
    path = Path(args.results)
    summary = _member(_read_json(path), "summary")
    stats = _member(summary, "totalTokenStats")
    if stats is None or "promptTokens" not in stats:
        raise UserError(f"{path} is not a results file: it has no summary.totalTokenStats.promptTokens.")
    counts = {name: stats.get(name, 0) for name in NAMES}
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
            raise UserError(
                f"{path}: summary.totalTokenStats.{name} must be a whole number of 0 or more, "
                f"not {value!r:.60}."
            )
    fields = {NAMES[name]: count for name, count in counts.items()}
    fields["cached"] = min(fields["cached"], fields["input"])
    usage = Usage(**fields, estimated=stats.get("estimated") is True)
    cost = (_member(summary, "cost") or {}).get("total")
    if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < MAX_TOKENS:
        return usage, float(cost)
    return usage, None


def _read_json(path: Path) -> Any:
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a results file.")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"There is no results file {path}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text, so it is not a results file.") from None
    except OSError as error:
        raise cannot_be("read", path, error) from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {mistake(error)}."
        ) from None
    except (RecursionError, ValueError):  # nested or with numbers beyond what a results file can hold
        raise UserError(f"{path} is not a results file.") from None


def _member(value: Any, name: str) -> dict[str, Any] | None:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else None


def _variables(args: argparse.Namespace) -> dict[str, str]:
    """The environment over .env; an empty variable counts as not set."""

    file_values = read_env_file(getattr(args, "env_file", None), Path.cwd())
    return {**file_values, **{name: value for name, value in os.environ.items() if value}}


def _models(args: argparse.Namespace, variables: dict[str, str], prices: Prices) -> list[str]:
    """The models to compare. One that was asked for by name must have a price."""
    named = getattr(args, "compare_models", None) or variables.get("AGENTBATCH_COMPARE_MODELS")
    if named is None:
        return list(DEFAULT_COMPARISON)
    models = list(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
    if not models:
        raise UserError("--models: name at least one model, like --models gpt-5,deepseek-v4-flash.")
    for model in models:
        if not prices.known(model):
            near = prices.nearest(model)
            hint = f" Did you mean {near!r}?" if near else " Add it to prices.toml."
            raise UserError(f"--models: there is no price for {model!r}.{hint}")
    return models


def _print(usage: Usage, rows: list[ComparisonRow], actual: float | None, *, as_json: bool) -> None:

    out = Writer(sys.stdout)
    if as_json:
        models = [row.document() for row in rows]
        document = {"tokens": usage.document(), "actualCost": actual, "comparison": models}
        out.line(json.dumps(document, indent=2))
        return
    parts = [(usage.cached, "cached"), (usage.written, "written into the cache")]
    shown = ", ".join(f"{count:,} {word}" for count, word in parts if count)
    out.line(
        f"{usage.shown(usage.input)} input tokens{f' ({shown})' if shown else ''}, "
        f"{usage.shown(usage.output)} output tokens, {counted(usage.calls, 'call')}"
    )
    if actual is not None:
        out.line(f"the run itself cost {money(actual)}")
    if not usage.total:
        what = "nobody told how many tokens were used" if usage.unknown else "no tokens were used"
        out.line(f"{what}: there is nothing to compare")
        return
    out.line("")
    for text in render_comparison(rows, 80, actual):
        out.line(text)
