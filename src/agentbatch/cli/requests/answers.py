"""`agentbatch requests answers`: the answers of a batch as a table."""

import argparse
import sys
from pathlib import Path
from typing import Any

from agentbatch.cli.complaints import complain
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.text import counted

DESCRIPTION = """\
Print the answers of a batch as a table: CSV for spreadsheets, or Markdown. The
table has a row for each line of OUT.jsonl, those that failed with the reason.
"""

EPILOG = """\
examples:
  agentbatch requests answers out.jsonl --csv > answers.csv
  agentbatch requests answers out.jsonl --md
"""


def add_answers(commands: Any) -> None:
    parser = commands.add_parser(
        "answers", help="print the answers as a table", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument("answers", metavar="OUT.jsonl", type=Path, help="what `requests run` has written")
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--csv", action="store_true", help="comma-separated, with a heading")
    form.add_argument("--md", action="store_true", help="a Markdown table")
    parser.set_defaults(command=answers)


def answers(args: argparse.Namespace) -> int:
    """Raises UserError for a file that is no output of a batch."""
    from agentbatch.display.requests.answers import Answer, answers_csv, answers_markdown
    from agentbatch.requests.spec.make_values import answered, is_output, read_rows

    rows = read_rows(args.answers)
    if not all(map(is_output, rows)):
        raise UserError(f"{args.answers} is not what `agentbatch requests run -o` has written.")
    found = [Answer.of(answered(row) or row) for row in rows]
    out = Writer(sys.stdout)
    for text in (answers_csv if args.csv else answers_markdown)(found):
        out.write(text)
    out.flush()
    failed = sum(not one.ok for one in found)
    if failed:
        complain(f"{counted(failed, 'request')} of {len(found):,} failed.")
    return 1 if out.broken else 0
