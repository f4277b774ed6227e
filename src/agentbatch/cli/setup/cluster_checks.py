"""What `agentbatch doctor --cluster` tries: work on every machine of the cluster."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping

from agentbatch.cli.setup.check import Check
from agentbatch.cli.setup.cluster_trial import NodeTrial, try_machines
from agentbatch.cluster.before import read_report
from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.terms import NodeReport
from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.text import clip, list_names
from agentbatch.workspace.preparation import ENGINES

MAX_SKEW = 2.0
"""Seconds that a machine's clock may be off: what ran before or after a file was changed is told by it."""

MIN_FREE = 2 * 1024**3
"""Bytes."""

NEEDED = ("bash", "git", "python3")


async def cluster_checks(settings: Settings, environ: Mapping[str, str]) -> AsyncIterator[Check]:
    address = settings.cluster or "auto"
    connection = Connection(address, environ, lambda _: None)
    try:
        await connection.start()
        asked = time.time()
        found = sorted(await connection.request("report", *ENGINES))
        answered = time.time()
        reports = {place: read_report(result, answer) for place, result, answer in found}
        yield cluster_check(connection.address, reports.values(), network=not settings.no_network)
        tried = await try_machines([place for place, *_ in found], connection, settings, environ)
        for place, _, answer in found:
            if (report := reports[place]) is None:
                yield Check("fail", f"node {place}"[:22], clip(str(answer), 500))
            else:
                yield node_check(report, asked, answered, tried[place], asked_for=settings.sandbox)
    except (UserError, Lost) as error:
        yield Check("fail", "cluster", str(error))
    finally:
        await connection.close()


def cluster_check(address: str, reports: Iterable[NodeReport | None], *, network: bool) -> Check:
    """What is to be said of it as a whole. Pure."""
    where = address or "a Ray of its own on this machine"
    if not network or not any(report is not None and report.open_to_all for report in reports):
        return Check("ok", "cluster", where)
    return Check(
        "warn",
        "cluster",
        f"{where}: it asks for no token, so a task's command can reach it and run anything: start it with "
        "RAY_AUTH_MODE=token, or run with --no-network",
    )


def node_check(
    report: NodeReport, asked: float, answered: float, tried: NodeTrial, *, asked_for: str
) -> Check:
    """What is to be said of a machine. `asked`, `answered`: when it was looked at, by the clock here. Pure."""
    engine = [asked_for] if asked_for in ENGINES else []
    missing = [name for name in (*NEEDED, *engine) if not report.programs.get(name)]
    failed, warned = list[str](), list[str]()
    if tried.failed:
        failed.append(tried.failed)
    if tried.warned:
        warned.append(tried.warned)
    if missing:
        failed.append(f"{list_names(missing)} not found")
    if report.sandbox == "none" and asked_for != "none" and not engine:
        (failed if asked_for != "auto" else warned).append(report.trouble or "no sandbox")
    skew = max(asked - report.clock, report.clock - answered, 0.0)
    if skew > MAX_SKEW:
        warned.append(f"its clock is {skew:.0f} s off")
    if report.free < MIN_FREE:
        warned.append(f"{report.free / 1024**3:.1f} GB free in {report.folder or 'its temporary folder'}")
    if report.keys:
        warned.append(
            f"whoever started Ray there left it {list_names(list(report.keys))}: commands do not see it, and it is "
            "better started without"
        )
    good = (
        f"{report.host}, {report.system}, Python {report.python}, agentbatch {report.version}, sandbox "
        f"{report.sandbox}, {report.free / 1024**3:.0f} GB free"
    )
    return Check(
        "fail" if failed else "warn" if warned else "ok",
        f"node {report.address}"[:22],
        "; ".join([*failed, *warned, *([tried.done] if tried.done else []), good]),
    )
