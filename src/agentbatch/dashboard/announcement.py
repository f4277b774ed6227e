"""What `agentbatch dashboard` prints: the address, who may do what with it, and how it ends."""

import textwrap

from agentbatch.dashboard.address import Place
from agentbatch.text import clip

COLUMNS = 80


def announcement(run_id: str, place: Place, token: str, *, control: bool) -> list[str]:
    """Lines of at most 80 columns, but for an address that is longer."""
    lines = [f"Dashboard of the run {run_id}:", "", f"  {place.url(token)}", ""]
    if not place.only_this_machine:
        lines += [*textwrap.wrap(_warning(place, control=control), COLUMNS), ""]
    if control:
        lines.append("Commands are allowed (--control): whoever has the address can steer the run.")
    else:
        lines.append("It can only be looked at; --control allows commands.")
    lines.append("Ctrl-C ends the dashboard. The run goes on without it.")
    return lines


def _warning(place: Place, *, control: bool) -> str:
    steered = " and steer it" if control else ""
    return (
        f"Warning: --host {clip(place.host, 60)} lets other machines in. Whoever reaches this port and has the address "
        f"can see the run's prompts, files and commands{steered}. The way is not encrypted: whoever listens on it "
        f"has the address too. Safer, without --host: ssh -L {place.port}:127.0.0.1:{place.port} to this machine."
    )
