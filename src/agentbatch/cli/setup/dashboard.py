"""`agentbatch dashboard`: a run's screen in the browser."""

import argparse
import asyncio
import os
import sys
import threading
import webbrowser
from functools import partial
from pathlib import Path
from typing import Any

from agentbatch.cli.arguments import ACTIVE_RUN_HELP, port
from agentbatch.cli.runs.choice import chosen_run
from agentbatch.dashboard.access import Access
from agentbatch.dashboard.address import Listener, announcement, listen
from agentbatch.dashboard.page_files import installed
from agentbatch.dashboard.plain import plain_page
from agentbatch.errors import UserError
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import open_run, require_tasks

DESCRIPTION = """\
Show a run's screen (agentbatch attach) in the browser, at an address that only
this machine can reach and that holds its own password. Each tab has a view of
its own. The run itself continues elsewhere.
"""

EPILOG = """\
examples:
  agentbatch dashboard --open
  agentbatch dashboard 20260102-0304 --port 3010
  agentbatch dashboard --control

Needs the extra `dashboard`: pip install 'agentbatch[dashboard]'. From another
machine: ssh -L 3008:127.0.0.1:3008 HOST, then open the printed address there.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "dashboard",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help=ACTIVE_RUN_HELP)
    parser.add_argument(
        "--port", metavar="N", type=port, default=3008, help="port to listen on; 0: any free one [3008]"
    )
    parser.add_argument(
        "--host",
        metavar="HOST",
        default="127.0.0.1",
        help="address to listen on; any but [127.0.0.1] lets other machines in",
    )
    parser.add_argument("--open", action="store_true", help="open the browser")
    parser.add_argument("--control", action="store_true", help="allow pause, cancel, retry and the like")
    parser.set_defaults(command=dashboard)


def dashboard(args: argparse.Namespace) -> int:
    if not installed():
        raise UserError("The dashboard needs textual-serve: pip install 'agentbatch[dashboard]'.")
    from agentbatch.dashboard.server import TabApp, serve  # heavy: aiohttp

    folder = chosen_run(args.run)
    require_tasks(open_run(folder).state.info, folder.run_id)
    listener = listen(args.host, args.port)
    access = Access(listener.names)

    def announce() -> None:
        lines = announcement(folder.run_id, listener, access.token, control=args.control)
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        if args.open:
            _open(listener, access)

    served = TabApp(
        argv=attach_command(folder, control=args.control),
        cwd=Path.cwd(),
        environ=os.environ,
        title=f"agentbatch {folder.run_id}",
        plain=partial(plain_page, folder),
    )
    asyncio.run(serve(served, access, listener.socket, announce))
    return 0


def attach_command(folder: RunFolder, *, control: bool) -> list[str]:
    """What each tab is a process of."""
    # -P: the folder that we are in may hold a json.py of its own; nothing is imported from there.
    argv = [sys.executable, "-P", "-m", "agentbatch", "attach", str(folder.path.resolve())]
    return [*argv, "--control"] if control else argv


def _open(listener: Listener, access: Access) -> None:
    """Open the browser, which takes its time: in a thread. All users of a machine see its command lines."""

    def work() -> None:
        if not webbrowser.open(listener.url(access.one_time_token())):
            sys.stderr.write("No browser could be opened here: open the address yourself.\n")

    threading.Thread(target=work, daemon=True).start()
