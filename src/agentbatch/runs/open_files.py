"""How many files and connections this process may have open: systems begin with few, and allow more when asked."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from agentbatch.errors import UserError
from agentbatch.runs.process_wide import WhileAny

OWN = 64
"""Of the engine itself: database, log, pipes, programs."""
ENOUGH = (65_536, 10_240)
"""What is asked for where the system names no limit; the second is what macOS gives to a process."""


@contextmanager
def open_files(connections: int, flag: str) -> Iterator[None]:
    """The limit of this process is as high as it may be; before that it was what somebody chose for other programs.
    `connections`: how many the run has at the same time at the least; `flag`: what asked for them. Raises UserError
    where they are more than the system allows."""
    with _raised():
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if allowed != resource.RLIM_INFINITY and connections + OWN > allowed:
            raise UserError(
                f"{flag} {connections}: each needs a connection, and this system lets a process have {allowed:,} "
                f"open files and connections (`ulimit -Hn`): at most {flag} {max(allowed - OWN, 1)}."
            )
        yield


def _raise() -> Callable[[], None]:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for asked in (most, *ENOUGH):
        with suppress(ValueError, OSError):  # infinity may be named and not be had
            if resource.RLIM_INFINITY not in (before, asked) and asked > before:
                resource.setrlimit(resource.RLIMIT_NOFILE, (asked, most))
                break
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


_raised = WhileAny(_raise)
