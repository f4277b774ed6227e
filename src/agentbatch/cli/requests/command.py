"""`agentbatch requests`: batches of plain model requests; its commands."""

import argparse
from typing import Any

from agentbatch.cli.requests.answers import add_answers
from agentbatch.cli.requests.flags import add_run_flags
from agentbatch.cli.requests.make import add_make

DESCRIPTION = """\
Send every request of a JSON lines file to the model, as many at once as the
endpoint takes, and write a line for each answer. A batch that ended early
resumes with --resume: what was answered is not paid again.
"""

EPILOG = """\
A line of input is {"id": "a", "prompt": "…"} or OpenAI's batch form with
custom_id, method, url and body; lines of output have the batch form. Model,
endpoint and key are those of the coder: CODER_MODEL, CODER_ENDPOINT,
CODER_API_KEY or OPENAI_API_KEY. The batch is a run of this folder: agentbatch
status, logs -f, stop, pause, unpause and set concurrency work with it.

examples:
  agentbatch requests run questions.jsonl -o answers.jsonl --concurrency 50
  agentbatch requests run questions.jsonl -o answers.jsonl --resume --ordered
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("requests", description="Batches of plain model requests.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run_parser = commands.add_parser(
        "run",
        help="send the requests of a file",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_run_flags(run_parser)
    run_parser.set_defaults(command=_run)
    add_make(commands)
    add_answers(commands)


def _run(args: argparse.Namespace) -> int:
    from agentbatch.cli.requests import run  # heavy: jsonschema, and all that a batch needs

    return run.run(args)
