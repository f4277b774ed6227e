"""Going on with a batch of plain requests: nothing is paid twice, and the output is whole again."""

import json
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.server import RehearsalServer
from tests.support import commands
from tests.support.request_batches import (
    ended,
    endpoint,
    environ_of,
    lines_of,
    ran,
    said,
    the_run,
    under_way,
    write_input,
)
from tests.support.waiting import until

WORDS = ("in.jsonl", "-o", "out.jsonl")


async def interrupt(folder: Path, server: RehearsalServer, *words: str, sent: int = 30) -> int:
    """A batch that was interrupted; how many requests it has paid."""
    async with under_way(folder, server, *words, sent=sent) as process:
        process.terminate()
        code, _, err = await ended(process)
        assert (code, err.count("--resume")) == (130, 1)
    return len(server.requests)


def change_input(folder: Path, **prompts: str | None) -> None:
    """Other prompts for these ids; None: the line is gone; a new id: a line more."""
    lines = [json.loads(line) for line in (folder / "in.jsonl").read_text().splitlines()]
    asked = {line["id"]: line["prompt"] for line in lines} | prompts
    kept = [{"id": name, "prompt": prompt} for name, prompt in asked.items() if prompt is not None]
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))


def ids_of(folder: Path) -> list[str]:
    return [line["custom_id"] for line in lines_of(folder / "out.jsonl")]


async def test_what_was_answered_is_not_paid_again(tmp_path: Path) -> None:
    write_input(tmp_path, 100)
    async with endpoint(latency=0.1) as server:
        paid = await interrupt(tmp_path, server, *WORDS, "--ordered", "--concurrency", "5")
        assert paid < 100
        run = the_run(tmp_path)
        code, _, err = await ran(tmp_path, server, *WORDS)
        assert (code, f"There is a batch of in.jsonl already, run {run}: --resume resumes it" in err) == (
            2,
            True,
        )
        code, out, err = await said(tmp_path, "resume", base_url=server.base_url)
        assert code == 0, err
        assert len(server.requests) == 100
        assert f"100 requests: 100 ok, 0 failed, {paid} answered before" in out
        assert ids_of(tmp_path) == [f"q{n}" for n in range(100)]  # --ordered is remembered
        told = json.loads((await said(tmp_path, "status", "--json"))[1])
        assert (told["sessions"], told["condition"], told["requests"]["open"]) == (2, "finished", 0)
        assert told["resumeCommand"] is None


async def test_force_begins_anew(tmp_path: Path) -> None:
    write_input(tmp_path, 20)
    async with endpoint() as server:
        for times in (1, 2):
            code, _, _ = await ran(tmp_path, server, *WORDS, *(["--force"] if times == 2 else []))
            assert (code, len(server.requests)) == (0, 20 * times)
    assert len(list((tmp_path / ".agentbatch" / "runs").iterdir())) == 2


async def test_an_input_that_was_changed(tmp_path: Path) -> None:
    write_input(tmp_path, 12)
    bad = Fault(status=400, message="odd", times=2)
    async with endpoint([bad]) as server:
        code, _, _ = await ran(tmp_path, server, *WORDS, "--concurrency", "1")
        assert code == 1
        failed = [line["custom_id"] for line in lines_of(tmp_path / "out.jsonl") if line["error"]]
        assert failed == ["q0", "q1"]
        before = len(server.requests)
        change_input(tmp_path, q0=None, q7="Another question", q8=None, q99="A new one")
        code, out, _ = await ran(tmp_path, server, *WORDS, "--resume", "--ordered")
        assert code == 1  # q1 failed before
        assert len(server.requests) - before == 2  # q7 and q99
        assert "11 requests: 10 ok, 1 failed" in out
        assert ids_of(tmp_path) == [f"q{n}" for n in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 99)]
        told = json.loads((await said(tmp_path, "status", "--json"))[1])
        assert [entry["id"] for entry in told["failedList"]] == ["q1"]  # q0 does not stand there any more
        assert told["requests"] | {"attempts": 0} == {
            "total": 11, "ok": 10, "failed": 1, "open": 0, "inFlight": 0, "attempts": 0, "refused": 0,
        }  # fmt: skip


async def test_a_resumption_that_is_interrupted_too_keeps_what_there_was(tmp_path: Path) -> None:
    write_input(tmp_path, 12)
    async with endpoint(latency=0.1) as server:
        assert (await ran(tmp_path, server, *WORDS))[0] == 0
        before = (tmp_path / "in.jsonl").read_text()
        new = (json.dumps({"id": f"new{n}", "prompt": f"New {n}"}) + "\n" for n in range(300))
        (tmp_path / "in.jsonl").write_text("".join(new) + before)  # in front of what is answered
        paid = await interrupt(tmp_path, server, *WORDS, "--resume", sent=20)
        assert 20 <= paid < 312
        told = json.loads((await said(tmp_path, "status", "--json"))[1])["requests"]
        assert (told["total"], told["ok"]) == (312, paid)
        assert len(ids_of(tmp_path)) == paid
        assert {f"q{n}" for n in range(12)} <= set(ids_of(tmp_path))


async def test_what_failed_is_asked_again_by_its_run(tmp_path: Path) -> None:
    write_input(tmp_path, 10)
    async with endpoint([Fault(status=400, message="odd", times=3)]) as server:
        assert (await ran(tmp_path, server, *WORDS, "--concurrency", "1"))[0] == 1
        _, text, _ = await said(tmp_path, "status")
        assert "✗ 3 failed" in text
        assert "✗ q0, q1, q2: " in text
        run = the_run(tmp_path)
        assert f"agentbatch resume {run} --retry-failed  runs what failed again" in text
        assert (await said(tmp_path, "resume", run, base_url=server.base_url))[0] == 1
        assert len(server.requests) == 10  # without the word nothing is asked
        code, out, _ = await said(tmp_path, "resume", run, "--retry-failed", base_url=server.base_url)
        assert (code, len(server.requests)) == (0, 13)
        assert "10 ok, 0 failed" in out


async def test_only_what_a_resumption_knows_may_be_said(tmp_path: Path) -> None:
    write_input(tmp_path, 3)
    async with endpoint() as server:
        await ran(tmp_path, server, *WORDS)
    code, _, err = await said(tmp_path, "resume", "--parallel", "4")
    assert code == 2
    assert "cannot be changed when a batch of plain requests is resumed like this" in err
    assert "agentbatch requests run in.jsonl -o out.jsonl --resume" in err
    (tmp_path / "elsewhere").mkdir()
    place = str(tmp_path / ".agentbatch" / "runs" / the_run(tmp_path))
    code, _, err = await said(tmp_path / "elsewhere", "resume", place)
    assert (code, "cd there first" in err) == (2, True)


@pytest.mark.slow
async def test_a_torn_last_line_is_mended(tmp_path: Path) -> None:
    write_input(tmp_path, 100)
    out = tmp_path / "out.jsonl"
    async with endpoint(latency=0.1) as server:
        await interrupt(tmp_path, server, *WORDS, "--concurrency", "5")
        out.write_bytes(out.read_bytes()[:-25])
        code, _, _ = await ran(tmp_path, server, *WORDS, "--resume")
        assert (code, len(server.requests)) == (0, 100)
        assert sorted(ids_of(tmp_path)) == sorted(f"q{n}" for n in range(100))
        out.unlink()  # it is only the journal, written out
        assert (await ran(tmp_path, server, *WORDS, "--resume"))[0] == 0
        assert (len(lines_of(out)), len(server.requests)) == (100, 100)


async def test_no_other_file_is_overwritten(tmp_path: Path) -> None:
    write_input(tmp_path, 3)
    (tmp_path / "notes.txt").write_text("mine")
    async with endpoint() as server:
        code, _, err = await ran(tmp_path, server, "in.jsonl", "-o", "notes.txt")
        assert (code, "notes.txt exists already: name another file, or say --force." in err) == (2, True)
        await ran(tmp_path, server, *WORDS)
        code, _, err = await ran(tmp_path, server, "in.jsonl", "-o", "notes.txt", "--resume")
        assert (code, "is not the output of the run" in err) == (2, True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.slow
async def test_standard_input_is_kept_for_a_resumption(tmp_path: Path) -> None:
    write_input(tmp_path, 200)
    async with endpoint(latency=0.1) as server:
        process = commands.start(
            "requests", "run", "-", "-o", "out.jsonl", "--concurrency", "5", cwd=tmp_path,
            env=environ_of(tmp_path, server.base_url), stdin=tmp_path / "in.jsonl",
        )  # fmt: skip
        await until(lambda: len(server.requests) > 30)
        process.terminate()
        code, _, err = await ended(process)
        run = the_run(tmp_path)
        assert f"Resume with: agentbatch resume {run}" in err
        assert (code, len(server.requests) < 200) == (130, True)
        (tmp_path / "in.jsonl").unlink()
        code, _, err = await ran(tmp_path, server, "-", "-o", "out.jsonl", "--resume")
        assert (code, "is resumed by its run: agentbatch resume RUN" in err) == (2, True)
        code, out, err = await said(tmp_path, "resume", run, base_url=server.base_url)
        assert code == 0, err
        assert len(server.requests) == len(lines_of(tmp_path / "out.jsonl")) == 200
        assert "200 requests: 200 ok" in out


async def test_a_damaged_run_does_not_stand_in_the_way_of_a_new_one(tmp_path: Path) -> None:
    write_input(tmp_path, 3)
    damaged = tmp_path / ".agentbatch" / "runs" / "20991231-235959-abcd"
    damaged.mkdir(parents=True)
    (damaged / "run.db").write_bytes(b"no database" * 100)
    async with endpoint() as server:
        code, _, err = await ran(tmp_path, server, *WORDS, "--resume")
        assert (code, "newer than any that could be resumed" in err) == (2, True)
        code, _, err = await ran(tmp_path, server, *WORDS)
        assert code == 0, err


async def test_a_resumption_of_nothing_says_so_and_begins(tmp_path: Path) -> None:
    write_input(tmp_path, 3)
    async with endpoint() as server:
        code, _, err = await ran(tmp_path, server, *WORDS, "--resume")
        assert (code, "there is no batch of this input to resume" in err) == (0, True)
