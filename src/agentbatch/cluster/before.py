"""What is found out about a cluster before a run: that it is there, and has machines for all that is asked of it."""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

from agentbatch.cluster.connection.connection import MISSING, Connection, check_address, has_ray
from agentbatch.cluster.connection.fitting import unfit
from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.terms import Lease, NodeReport
from agentbatch.cluster.exchange.wire import Unreadable, unpack
from agentbatch.cluster.shapes import fits
from agentbatch.errors import UserError
from agentbatch.text import list_names

PLAIN = (
    "{coders}: the gateway is reached through Ray's connections, with tokens and conversations, and this Ray sends "
    "them in plain text between its machines. Have it use TLS (RAY_USE_TLS=1), or run without --cluster."
)

NOWHERE = "--cluster: {who} needs {programs}, which no machine of it has on its PATH. Install it there."

TRIES, BETWEEN = 4, 2.0
"""How often, and after how many seconds, it is asked whether it can grow: a head that has just begun does not know."""


@dataclass(frozen=True)
class ClusterNeeds:
    """What a run asks of a cluster."""

    leases: Mapping[str, Lease]
    """By task."""
    may_wait: bool
    """The user has said how long they may wait for machines that are not there."""
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Who needs a program there, in words, and which: one of them."""
    reaching: Sequence[str] = ()
    """Names of those that reach the gateway from there."""


def check_cluster(address: str, environ: Mapping[str, str], wanted: ClusterNeeds) -> tuple[str, ...]:
    """What the machines lack, a sentence each. Takes some seconds, but for a Ray of our own, which is started with the
    run. Raises UserError where there is no cluster, or the run can come to nothing there."""
    connection = Connection(address, environ, lambda _: None)

    async def reach() -> tuple[str, bool, str]:
        try:
            await connection.start()
            if wanted.reaching and not await connection.request("is_private"):
                raise UserError(PLAIN.format(coders=list_names(list(wanted.reaching))))
            found = unserved(wanted.leases, await connection.request("machines"))
            for_ever = bool(found) and not wanted.may_wait and await _never_grows(connection)
            return found, for_ever, await _lacking(connection, wanted.programs)
        except Lost as error:
            raise UserError(f"--cluster: {connection.address}: {error}") from None
        finally:
            await connection.close()

    if not has_ray():
        raise UserError(MISSING)
    check_address(connection.address)
    lacking = ""
    if connection.address:
        with ThreadPoolExecutor(1) as pool:  # the caller's thread may have a loop
            problem, for_ever, lacking = pool.submit(asyncio.run, reach()).result()
    else:
        problem, for_ever = unserved(wanted.leases, [this_machine()]), not wanted.may_wait
        for who, programs in wanted.programs.items():
            if not any(shutil.which(program, path=environ.get("PATH")) for program in programs):
                raise UserError(NOWHERE.format(who=who, programs=" or ".join(programs)))
    if problem and for_ever:
        raise UserError(
            f"--cluster: {problem}. Nothing adds machines by itself. Ask for less, or have tasks wait for machines "
            "that you add (--node-wait 600)."
        )
    waits = f"{problem}: tasks wait for machines that join." if problem else ""
    return tuple(filter(None, (waits, lacking)))


async def _lacking(connection: Connection, programs: Mapping[str, Sequence[str]]) -> str:
    """What some of the machines lack, a sentence. Raises UserError for what none has."""
    if not programs:
        return ""
    answers = await connection.request("report", *chain(*programs.values()))
    reports = [read_report(result, answer) for _, result, answer in answers]
    return lacking(programs, [one for one in reports if one is not None])


def read_report(result: str, answer: object) -> NodeReport | None:
    """What a machine says of itself, as `report` brings it; None: nothing of ours. Pure."""
    try:
        report = unpack(answer) if result == "ok" and isinstance(answer, bytes) else None
    except Unreadable:
        return None
    return report if isinstance(report, NodeReport) and fits(report, NodeReport) else None


def lacking(programs: Mapping[str, Sequence[str]], reports: Sequence[NodeReport]) -> str:
    """As above. Pure."""
    told = []
    for who, several in programs.items():
        names = " or ".join(several)
        without = [one.address for one in reports if not any(map(one.programs.get, several))]
        if reports and len(without) == len(reports):
            raise UserError(NOWHERE.format(who=who, programs=names))
        if without:
            told.append(f"{list_names(without)} {'has' if len(without) == 1 else 'have'} no {names} ({who})")
    return (
        f"Of the cluster's machines {'; '.join(told)}: tasks that need it end there with an error."
        if told
        else ""
    )


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
    return "; ".join(f"{why}, asked for by {list_names(names)}" for why, names in tasks.items())


def this_machine() -> dict[str, float]:
    """The most that a Ray of our own can have, by Ray's names; graphics processors it finds itself."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"CPU": float(os.cpu_count() or 1), "memory": float(memory), "GPU": float("inf")}
