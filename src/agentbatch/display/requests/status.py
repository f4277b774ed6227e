"""What `agentbatch status` and `agentbatch runs` say of a batch of plain requests. Pure."""

from typing import Any

from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.requests.failed import failed_list
from agentbatch.display.signs import SIGNS
from agentbatch.runs.events import RequestsProgressed
from agentbatch.runs.listing import Run
from agentbatch.text import counted


def progress(run: Run) -> RequestsProgressed:
    """How far it is; all zero before its first report."""
    info = run.state.info
    return run.state.requests or RequestsProgressed(total=info.total_tasks if info else 0, ok=0, failed=0)


def counts_text(report: RunReport) -> str:
    """`5 plain requests: ✓ 3 ok, ✗ 1 failed, · 1 not answered yet`."""
    figures = progress(report.run)
    rest = figures.total - figures.ok - figures.failed
    parts = [(SIGNS["completed"], figures.ok, "ok"), (SIGNS["error"], figures.failed, "failed")]
    parts.append((SIGNS["queued"], rest, "not answered yet"))
    shown = ", ".join(f"{sign} {number:,} {what}" for sign, number, what in parts if number)
    under_way = f" ({figures.in_flight:,} under way)" if report.run.alive and figures.in_flight else ""
    return f"{counted(figures.total, 'plain request')}: {shown or 'none sent'}{under_way}"


def failed_lines(report: RunReport, columns: int) -> list[str]:
    """Ids and reasons of what failed; empty when nothing did, or it was not looked at."""
    sign = f"{SIGNS['error']} "
    return failed_list(report.failed_requests, columns, sign=sign, more="--json lists all")


def requests_record(run: Run) -> dict[str, Any]:
    """For JSON: how many there are, and what became of them."""
    figures = progress(run)
    return {
        "total": figures.total,
        "ok": figures.ok,
        "failed": figures.failed,
        "open": figures.total - figures.ok - figures.failed,
        "inFlight": figures.in_flight if run.alive else 0,
        "attempts": figures.attempts,
        "refused": figures.refused,
    }
