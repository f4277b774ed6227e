"""`agentbatch cache`: the answers that `requests run --cache` keeps: list them, forget them."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentbatch.cli.arguments import age
from agentbatch.errors import UserError
from agentbatch.text import age_text, clip, counted, money, pad, tokens

if TYPE_CHECKING:
    from agentbatch.requests.journal.cache import Kept, ResponseCache

DESCRIPTION = """\
List the answers that `agentbatch requests run --cache` has kept, or forget
them.
"""

EPILOG = """\
examples:
  agentbatch cache list
  agentbatch cache clear --older-than 7d

Answers are kept for 30 days in $XDG_CACHE_HOME/agentbatch/answers.db
(~/.cache/agentbatch/answers.db).
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("cache", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("action", choices=("list", "clear"), help="list: by model; clear: forget them")
    parser.add_argument(
        "--older-than", dest="age", metavar="AGE", type=age, help="clear: only these, such as 12h, 7d, 2w"
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print one JSON document")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    from agentbatch.requests.journal.cache import ResponseCache, cache_file

    if args.action == "list" and args.age is not None:
        raise UserError("--older-than goes with `cache clear`.")
    path = cache_file(os.environ)
    cache = ResponseCache(path) if path.exists() else None
    try:
        return _list(cache, args) if args.action == "list" else _clear(cache, args)
    finally:
        if cache is not None:
            cache.close()


def _list(cache: "ResponseCache | None", args: argparse.Namespace) -> int:
    from agentbatch.requests.journal.cache import cache_file

    path = cache_file(os.environ)
    kept = cache.kept() if cache is not None else []
    size = path.stat().st_size if cache is not None else 0
    if args.as_json:
        document = {"file": str(path), "sizeBytes": size, "models": [row._asdict() for row in kept]}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return 0
    if not kept:
        sys.stdout.write(f"No answers are kept in {path}\n")
        return 0
    sys.stdout.write("\n".join(_table(kept, time.time())) + "\n")
    sys.stdout.write(f"\n{size / 1e6:.1f} MB in {path}\n")
    return 0


def _table(kept: Sequence["Kept"], now: float) -> list[str]:
    """At most 80 columns."""
    lines = [f"{'model':<30}  {'answers':>9}  {'tokens':>7}  {'cost':>9}  {'oldest':>8}"]
    for row in kept:
        name = pad(clip(row.model or "–", 30), 30)
        lines.append(
            f"{name}  {row.answers:>9,}  {tokens(row.tokens, narrow=True):>7}  {money(row.cost):>9}  "
            f"{age_text(now - row.oldest):>8}"
        )
    return lines


def _clear(cache: "ResponseCache | None", args: argparse.Namespace) -> int:
    gone = cache.clear(older_than=args.age or 0.0) if cache is not None else 0
    if args.as_json:
        sys.stdout.write(json.dumps({"forgotten": gone}) + "\n")
    else:
        sys.stdout.write(f"{counted(gone, 'answer')} forgotten.\n")
    return 0
