"""What is found out about a cluster before a run: that it is there, and has machines for all that is asked of it."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from agentbatch.cluster.connection.connection import MISSING, Connection, check_address, has_ray
from agentbatch.cluster.connection.fitting import unfit
from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.terms import Lease
from agentbatch.errors import UserError
from agentbatch.text import list_names

TRIES, BETWEEN = 4, 2.0
"""How often, and after how many seconds, it is asked whether it can grow: a head that has just begun does not know."""


def check_cluster(
    address: str, environ: Mapping[str, str], wanted: Mapping[str, Lease], *, may_wait: bool
) -> str:
    """What of the tasks no machine can take now, a sentence; empty: there is one for each. Takes some seconds, but for
    a Ray of our own, which is started with the run. `wanted`: by task; `may_wait`: the user has said how long they may
    wait for machines that are not there. Raises UserError where there is no cluster, or none will ever come."""
    connection = Connection(address, environ, lambda _: None)

    async def reach() -> tuple[str, bool]:
        try:
            await connection.start()
            found = unserved(wanted, await connection.request("machines"))
            return found, bool(found) and not may_wait and await _never_grows(connection)
        except Lost as error:
            raise UserError(f"--cluster: {connection.address}: {error}") from None
        finally:
            await connection.close()

    if not has_ray():
        raise UserError(MISSING)
    check_address(connection.address)
    if connection.address:
        with ThreadPoolExecutor(1) as pool:  # the caller's thread may have a loop
            problem, for_ever = pool.submit(asyncio.run, reach()).result()
    else:
        problem, for_ever = unserved(wanted, [this_machine()]), not may_wait
    if problem and for_ever:
        raise UserError(
            f"--cluster: {problem}. Nothing adds machines by itself. Ask for less, or have tasks wait for machines "
            "that you add (--node-wait 600)."
        )
    return f"{problem}: it waits for a machine that joins." if problem else ""


async def _never_grows(connection: Connection) -> bool:
    for _ in range(TRIES):
        grows = await connection.request("grows")
        if grows is not None:
            return grows is False
        await asyncio.sleep(BETWEEN)
    return False


def unserved(wanted: Mapping[str, Lease], machines: Sequence[Mapping[str, float]]) -> str:
    """Of which tasks nothing can come on these machines, and why, without a full stop; empty: of none. Pure."""
    tasks: dict[str, list[str]] = {}
    for lease in dict.fromkeys(wanted.values()):
        if why := unfit(lease, machines):
            tasks.setdefault(why, []).extend(task for task, one in wanted.items() if one == lease)
    return "; ".join(f"{why}, which {list_names(names)} asks for" for why, names in tasks.items())


def this_machine() -> dict[str, float]:
    """The most that a Ray of our own can have, by Ray's names; graphics processors it finds itself."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"CPU": float(os.cpu_count() or 1), "memory": float(memory), "GPU": float("inf")}
