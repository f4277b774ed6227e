"""`agentbatch dashboard`: a run's screen in the browser."""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentbatch.cli.runs.attach import RUN_HELP, chosen_run
from agentbatch.errors import UserError

if TYPE_CHECKING:
    from agentbatch.dashboard.access import Access
    from agentbatch.dashboard.address import Listener
    from agentbatch.runs.folder import RunFolder

DESCRIPTION = """\
Serve the screen of a run (agentbatch attach) to the browser, under an address
that only this machine reaches and only its holder can open. Each tab has a view
of its own. The run itself goes on elsewhere: this only looks at it.
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
        help="a run's screen in the browser",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "--port", metavar="N", default="3008", help="port to listen on; 0: any free one [3008]"
    )
    parser.add_argument(
        "--host",
        metavar="HOST",
        default="127.0.0.1",
        help="address to listen on; all but [127.0.0.1] let other machines in",
    )
    parser.add_argument("--open", action="store_true", help="open the browser")
    parser.add_argument("--control", action="store_true", help="allow commands: pause, cancel, retry, ...")
    parser.set_defaults(command=dashboard)


def dashboard(args: argparse.Namespace) -> int:
    from agentbatch.dashboard.page_files import installed

    if not installed():
        raise UserError("The dashboard needs textual-serve: pip install 'agentbatch[dashboard]'.")

    from agentbatch.dashboard.access import Access
    from agentbatch.dashboard.address import announcement, listen
    from agentbatch.dashboard.server import Served, serve
    from agentbatch.runs.listing import open_run, require_tasks

    port = _port(args.port)
    folder = chosen_run(args.run)
    require_tasks(open_run(folder).state.info, folder.run_id)
    listener = listen(args.host, port)
    access = Access(listener.names)

    def tell() -> None:
        lines = announcement(folder.run_id, listener, access.token, control=args.control)
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        if args.open:
            _open(listener, access)

    served = Served(
        argv=attach_command(folder, control=args.control),
        cwd=Path.cwd(),
        environ=os.environ,
        title=f"agentbatch {folder.run_id}",
    )
    asyncio.run(serve(served, access, listener.socket, tell))
    return 0


def attach_command(folder: "RunFolder", *, control: bool) -> list[str]:
    """What each tab is a process of."""
    # -P: the folder that we are in may hold a json.py of its own; nothing is imported from there.
    argv = [sys.executable, "-P", "-m", "agentbatch", "attach", str(folder.path.resolve())]
    return [*argv, "--control"] if control else argv


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise UserError(f"--port: must be a whole number from 0 to 65535, not {text!r:.60}.")
    return int(text)


def _open(listener: "Listener", access: "Access") -> None:
    """Open the browser, which takes its time: in a thread. All users of a machine see its command lines."""
    import threading
    import webbrowser

    def work() -> None:
        if not webbrowser.open(listener.url(access.one_time_token())):
            sys.stderr.write("No browser could be opened here: open the address yourself.\n")

    threading.Thread(target=work, daemon=True).start()
