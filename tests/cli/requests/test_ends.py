"""How a batch of plain requests ends early, and what it says then."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Fault
from tests.support.disks import small_disk_at
from tests.support.keys import KEY
from tests.support.request_batches import (
    ended,
    endpoint,
    lines_of,
    ran,
    said,
    the_run,
    under_way,
    write_input,
)

WORDS = ("in.jsonl", "-o", "out.jsonl")

PRICES = """
[models."m-test"]
input = 1000.0
output = 1000.0
"""
"""US dollars a million tokens: some 20 tokens a request cost two cents."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "small", "1m") as disk:
        yield disk


@pytest.mark.slow
async def test_an_outage_stops_it_and_what_failed_is_asked_again(tmp_path: Path) -> None:
    write_input(tmp_path, 60)
    words = (*WORDS, "--max-retries", "0", "--concurrency", "1")
    async with endpoint([Fault(status=503, message="Down.", times=20)]) as server:
        code, out, err = await ran(tmp_path, server, *words)
        assert code == 1
        assert "The endpoint does not answer: 20 requests in a row failed" in " ".join(err.split())
        assert "--concurrency 1 --retry-failed" in " ".join(err.split())
        assert 20 <= len(server.requests) <= 23
        assert ", 20 failed, " in out
        _, text, _ = await said(tmp_path, "status")
        assert "interrupted" in text.splitlines()[0]
        assert "stopped: The endpoint does not answer" in text
        code, out, _ = await ran(tmp_path, server, *words, "--retry-failed")
        assert (code, "60 ok, 0 failed" in out, len(server.requests)) == (0, True, 80)


@pytest.mark.slow
async def test_failures_between_answers_are_no_outage(tmp_path: Path) -> None:
    write_input(tmp_path, 40)
    async with endpoint([Fault(status=503, message="Down.", times=19)]) as server:
        code, out, err = await ran(tmp_path, server, *WORDS, "--max-retries", "0", "--concurrency", "1")
        assert (code, "21 ok, 19 failed" in out, "does not answer" in err) == (1, True, False)


async def test_a_budget_ends_it_and_it_can_go_on(tmp_path: Path) -> None:
    write_input(tmp_path, 60)
    (tmp_path / "prices.toml").write_text(PRICES)
    words = (*WORDS, "--max-tokens", "15", "--concurrency", "2")
    async with endpoint() as server:
        code, out, err = await ran(tmp_path, server, *words, "--max-cost", "0.5")
        assert code == 1, err
        answered = len(lines_of(tmp_path / "out.jsonl"))
        assert 5 <= answered <= 30
        assert answered == len(server.requests)
        assert "$0.5" in err
        spent = json.loads((await said(tmp_path, "status", "--json"))[1])["cost"]["total"]
        assert 0.1 < spent <= 0.5
        assert "cost $0." in out
        assert "--max-cost 0.5 --resume" in " ".join(err.split())
        more = (*WORDS, "--max-tokens", "15", "--max-cost", "5", "--resume")
        code, out, _ = await ran(tmp_path, server, *more)
        assert (code, len(server.requests)) == (0, 60)
        assert "all sessions: " in out


@pytest.mark.parametrize(
    ("prices", "told"),
    [
        ("", "the price of m-test is unknown"),
        (PRICES.replace("m-test", "other"), "the price of m-test is unknown"),
    ],
)
async def test_no_budget_without_a_price(tmp_path: Path, prices: str, told: str) -> None:
    write_input(tmp_path, 2)
    if prices:
        (tmp_path / "prices.toml").write_text(prices)
    async with endpoint() as server:
        code, _, err = await ran(tmp_path, server, *WORDS, "--max-cost", "1")
        assert (code, told in err, server.requests) == (2, True, [])
    assert not (tmp_path / ".agentbatch").exists()


async def test_its_time_is_over(tmp_path: Path) -> None:
    write_input(tmp_path, 20)
    async with endpoint(latency=300) as server:
        code, out, err = await ran(tmp_path, server, *WORDS, "--timeout", "1.5")
        assert code == 1
        assert "The batch's time of 1.5 s is over." in err
        assert "20 not asked" in out
        assert "--timeout 1.5 --resume" in err


async def test_records_for_programs(tmp_path: Path) -> None:
    write_input(tmp_path, 30)
    async with endpoint([Fault(status=400, message="odd")], latency=0.1) as server:
        async with under_way(tmp_path, server, *WORDS, "--json", "--concurrency", "2", sent=8) as process:
            process.terminate()
            code, out, err = await ended(process)
        launch, done = map(json.loads, out.splitlines())
        assert (launch["type"], launch["run_id"], launch["total"]) == ("launch", the_run(tmp_path), 30)
        assert (code, done["exit_code"], done["interrupted"], done["stopped"]) == (
            130, 130, True, "It was interrupted.",
        )  # fmt: skip
        assert done["ok"] + done["failed"] + done["open"] == 30
        assert (done["failed"], len(done["failedList"]), done["failedList"][0]["id"]) == (1, 1, "q0")
        assert "odd" in done["failedList"][0]["reason"]
        assert (
            done["resume_command"]
            == "agentbatch requests run in.jsonl -o out.jsonl --json --concurrency 2 --resume"
        )
        assert KEY not in out + err
        code, out, _ = await ran(tmp_path, server, *WORDS, "--json", "--resume")
        _, done = map(json.loads, out.splitlines())
        assert (code, done["open"], done["skipped"] > 0, done["resume_command"]) == (1, 0, True, None)


async def test_quiet_tells_only_what_went_wrong(tmp_path: Path) -> None:
    write_input(tmp_path, 5)
    async with endpoint([Fault(status=400, message="odd")]) as server:
        code, out, err = await ran(tmp_path, server, *WORDS, "--quiet")
        assert (code, out, err) == (1, "", "agentbatch: 1 of 5 requests failed.\n")
        code, out, err = await ran(tmp_path, server, *WORDS, "--quiet", "--retry-failed")
        assert (code, out, err) == (0, "", "")


async def test_an_output_without_room_stops_it_and_is_written_later(tmp_path: Path, small_disk: Path) -> None:
    write_input(tmp_path, 200)
    (small_disk / "ballast").write_bytes(b"x" * (1024 * 1024 - 24 * 1024))
    async with endpoint() as server:
        code, _, err = await ran(tmp_path, server, "in.jsonl", "-o", "small/out.jsonl")
        assert code == 1
        # Long lines are folded, within a long path too: where depends on the folder of the test.
        assert "out.jsonlcannotbewritten:Nospaceleftondevice." in "".join(err.split())
        assert "-o small/out.jsonl --resume" in " ".join(err.split())
        assert all(line["response"] for line in lines_of(small_disk / "out.jsonl"))  # no half line
        code, _, err = await ran(tmp_path, server, "in.jsonl", "-o", "small/out.jsonl", "--resume")
        assert code in (1, 2), err  # there is no room yet
        assert "No space left on device" in " ".join(err.split())
        (small_disk / "ballast").unlink()
        paid = len(server.requests)
        code, _, err = await ran(tmp_path, server, "in.jsonl", "-o", "small/out.jsonl", "--resume")
        assert code == 0, err
        assert len(lines_of(small_disk / "out.jsonl")) == 200
        assert len(server.requests) - paid <= 200 - 30  # what was answered was in the journal


async def test_a_disk_without_room_for_the_journal_stops_it(tmp_path: Path, small_disk: Path) -> None:
    write_input(small_disk, 1_500)
    async with endpoint() as server:
        code, _, err = await ran(small_disk, server, "in.jsonl", "-o", str(tmp_path / "out.jsonl"))
        told = " ".join(err.split())
        assert code in (1, 2)
        assert "Traceback" not in err
        assert "cannot be written" in told
        assert len(server.requests) < 1_500
