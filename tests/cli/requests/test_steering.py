"""A batch of plain requests that other processes look at, steer and end."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs.folder import RunFolder, holder
from tests.support.keys import KEY
from tests.support.request_batches import (
    ended,
    endpoint,
    lines_of,
    said,
    the_run,
    under_way,
    write_input,
)
from tests.support.waiting import until

WORDS = ("in.jsonl", "-o", "out.jsonl")


@pytest.mark.slow
async def test_others_see_how_it_stands(tmp_path: Path) -> None:
    write_input(tmp_path, 2_000)
    async with endpoint(latency=0.3) as server, under_way(tmp_path, server, *WORDS, sent=30) as process:
        run = the_run(tmp_path)
        await until(lambda: (tmp_path / "out.jsonl").stat().st_size > 0)
        for known in ("ok", "inFlight"):
            while not json.loads((await said(tmp_path, "status", "--json"))[1])["requests"][known]:
                await asyncio.sleep(0.1)  # it says so once a second
            server.latency = 600.0  # what is under way from now on stays so
        _, text, _ = await said(tmp_path, "status")
        assert f"Run {run}: running (process {process.pid})" in text
        assert "plain requests, at most 10 at a time" in text
        assert "2,000 plain requests: ✓ " in text
        assert "under way)" in text
        assert f"agentbatch logs -f {run}  watches it" in text
        assert max(map(len, text.splitlines())) <= 80
        told = json.loads((await said(tmp_path, "status", "--json"))[1])
        assert (told["kind"], told["condition"], told["process"]) == ("requests", "running", process.pid)
        assert (told["requests"]["total"], told["tasks"]["total"]) == (2_000, 0)
        assert told["requests"]["inFlight"] > 0
        assert told["secondsLeft"] > 0
        (listed,) = json.loads((await said(tmp_path, "runs", "--json"))[1])["runs"]
        assert (listed["kind"], listed["requests"]["total"], listed["condition"]) == (
            "requests",
            2_000,
            "running",
        )
        code, _, err = await said(tmp_path, "prune", run, "--yes")
        assert (code, "is running" in err) == (2, True)


@pytest.mark.slow
async def test_stop_lets_calls_end_and_the_log_is_followed_to_the_last_line(tmp_path: Path) -> None:
    write_input(tmp_path, 2_000)
    async with endpoint(latency=0.3) as server, under_way(tmp_path, server, *WORDS, sent=20) as process:
        run = the_run(tmp_path)
        log = asyncio.ensure_future(said(tmp_path, "logs", "-f", run))
        code, text, _ = await said(tmp_path, "stop", "--wait")
        assert code == 0
        assert "Stopping: nothing more is sent, calls under way end first." in text
        assert f"Resume it later: agentbatch resume {run}" in text
        code, _, err = await ended(process)
        assert (code, "It was interrupted." in err) == (130, True)
        answered = len(lines_of(tmp_path / "out.jsonl"))
        assert answered == len(server.requests) < 2_000
        _, told, _ = await log
        assert (
            f"run interrupted: {answered} ok, 0 failed, {2_000 - answered:,} not asked"
            in told.splitlines()[-1]
        )
        _, text, _ = await said(tmp_path, "status")
        assert f"Run {run}: interrupted" in text
        assert f"· {2_000 - answered:,} not answered yet" in text
        assert f"agentbatch resume {run}  resumes it" in text
        _, text, _ = await said(tmp_path, "runs")
        assert f"{answered}/2000" in text


@pytest.mark.parametrize("how", ["stop --now", "second signal"])
async def test_calls_that_never_end_are_cut_off(tmp_path: Path, how: str) -> None:
    write_input(tmp_path, 20)
    async with endpoint(latency=300) as server, under_way(tmp_path, server, *WORDS, sent=4) as process:
        if how == "stop --now":
            _, text, _ = await said(tmp_path, "stop", "--now", "--wait")
            assert "Stopping at once: calls under way are cut off." in text
        else:
            process.send_signal(signal.SIGINT)
            await until(lambda: "cuts them off" in process.complaints())
            assert process.returncode is None  # the first one waits
            process.send_signal(signal.SIGINT)
        code, out, err = await ended(process)
        assert code == 130
        assert "20 not asked" in out
        assert "Resume with: agentbatch requests run in.jsonl -o out.jsonl --resume" in err
    assert lines_of(tmp_path / "out.jsonl") == []


async def test_sigterm_is_as_ctrl_c(tmp_path: Path) -> None:
    write_input(tmp_path, 1_000)
    async with endpoint(latency=0.2) as server, under_way(tmp_path, server, *WORDS, sent=20) as process:
        process.terminate()
        code, _, err = await ended(process)
        assert code == 130
        assert "Another Ctrl-C, or `agentbatch stop --now`, cuts them off." in err
        assert len(lines_of(tmp_path / "out.jsonl")) == len(server.requests)


@pytest.mark.slow
async def test_a_pause_holds_it_until_it_goes_on(tmp_path: Path) -> None:
    write_input(tmp_path, 200)
    async with endpoint(latency=3.0) as server, under_way(tmp_path, server, *WORDS, sent=10) as process:
        code, text, _ = await said(tmp_path, "pause")
        assert (code, "nothing more is sent until `agentbatch unpause`" in " ".join(text.split())) == (
            0,
            True,
        )
        await until(lambda: not server.in_flight)
        sent = len(server.requests)
        _, text, _ = await said(tmp_path, "status")
        assert "paused" in text.splitlines()[0]
        assert len(server.requests) == sent < 200
        assert process.returncode is None
        server.latency = 0.01
        assert (await said(tmp_path, "resume-paused"))[0] == 0
        code, _, _ = await ended(process)
        assert (code, len(server.requests)) == (0, 200)


@pytest.mark.slow
async def test_more_at_once_from_outside(tmp_path: Path) -> None:
    write_input(tmp_path, 300)
    words = (*WORDS, "--concurrency", "2")
    async with endpoint(latency=0.3) as server, under_way(tmp_path, server, *words, sent=6) as process:
        code, text, _ = await said(tmp_path, "set", "concurrency", "40")
        assert (code, text.strip()) == (0, "Up to 40 at the same time from now on.")
        assert "at most 40 at a time" in (await said(tmp_path, "status"))[1]
        code, out, err = await ended(process)
        assert code == 0
        assert server.peak_in_flight > 10
        assert " of 40 at once" in out
        assert "40 at a time from now on" in err


async def test_it_has_no_tasks_to_steer(tmp_path: Path) -> None:
    write_input(tmp_path, 2_000)
    async with endpoint(latency=600.0) as server, under_way(tmp_path, server, *WORDS) as process:
        for words in (("cancel", "q1"), ("retry", "q1"), ("pause", "q1"), ("logs", "--task", "q1")):
            code, _, err = await said(tmp_path, *words)
            assert (code, "no task" in err) == (2, True), words
        assert process.returncode is None


async def let_it_end(folder: Path, server: RehearsalServer) -> None:
    """The batch in the background is not kept waiting any more."""
    server.latency = 0.01
    run = RunFolder(folder / ".agentbatch" / "runs" / the_run(folder))
    await until(lambda: not holder(run))


@pytest.mark.slow
async def test_in_the_background(tmp_path: Path) -> None:
    write_input(tmp_path, 200)
    async with endpoint(latency=3.0) as server:
        words = ("requests", "run", *WORDS, "--daemon")
        code, text, err = await said(tmp_path, *words, base_url=server.base_url)
        assert code == 0, err
        run = the_run(tmp_path)
        assert f"Run {run} runs in the background" in text
        await until(lambda: len(server.requests) >= 10)
        code, _, err = await said(tmp_path, *words, base_url=server.base_url)
        assert (code, "is being worked on by process" in err) == (2, True)
        await said(tmp_path, "stop", "--wait")
        assert json.loads((await said(tmp_path, "status", "--json"))[1])["condition"] == "interrupted"
        code, _, err = await said(tmp_path, "resume", run, "--daemon", base_url=server.base_url)
        assert code == 0, err
        await let_it_end(tmp_path, server)
        assert json.loads((await said(tmp_path, "status", "--json"))[1])["condition"] == "finished"
        assert len(server.requests) == len(lines_of(tmp_path / "out.jsonl")) == 200
        code, _, err = await said(
            tmp_path, "requests", "run", "-", "-o", "b.jsonl", "--daemon", base_url=server.base_url
        )
        assert (code, "has no standard input" in err) == (2, True)


@pytest.mark.slow
async def test_names_that_look_like_flags_in_the_background_too(tmp_path: Path) -> None:
    write_input(tmp_path, 100)
    (tmp_path / "in.jsonl").rename(tmp_path / "-in.jsonl")
    async with endpoint(latency=3.0) as server:
        words = ("--output=-out.jsonl", "--daemon", "--", "-in.jsonl")
        code, _, err = await said(tmp_path, "requests", "run", *words, base_url=server.base_url)
        assert code == 0, err
        await until(lambda: len(server.requests) >= 10)
        await said(tmp_path, "stop", "--wait")
        # What a resumption is given reaches the background too: without these there is no key.
        keys = {"OPENAI_API_KEY": KEY, "CODER_ENDPOINT": server.base_url, "CODER_MODEL": "m-test"}
        text = "".join(f"{name}={value}\n" for name, value in keys.items())
        (tmp_path / "-k.env").write_text(text, encoding="utf-8")
        code, _, err = await said(tmp_path, "resume", the_run(tmp_path), "--daemon", "--env-file=-k.env")
        assert code == 0, err
        await let_it_end(tmp_path, server)
        assert json.loads((await said(tmp_path, "status", "--json"))[1])["condition"] == "finished"
        assert len(server.requests) == len(lines_of(tmp_path / "-out.jsonl")) == 100


@pytest.mark.slow
async def test_a_second_engine_is_kept_out_and_a_killed_one_is_not_in_the_way(tmp_path: Path) -> None:
    write_input(tmp_path, 200)
    async with endpoint(latency=20.0) as server:
        async with under_way(tmp_path, server, *WORDS, sent=10) as process:
            run = the_run(tmp_path)
            code, _, err = await said(tmp_path, "resume", run, base_url=server.base_url)
            assert (code, f"already being worked on by process {process.pid}" in err) == (2, True)
            process.kill()
            await process.communicate()
        _, text, _ = await said(tmp_path, "status")
        assert f"Run {run}: died" in text
        assert "Its engine ended without a word" in text
        server.latency = 0.01
        code, out, err = await said(tmp_path, "resume", run, base_url=server.base_url)
        assert code == 0, err
        assert "200 requests: 200 ok" in out
        assert f"run {run} resumed (session 2)" in err
        assert (await said(tmp_path, "status"))[1].startswith(f"Run {run}: finished")


@pytest.mark.slow
async def test_two_batches_of_one_folder_at_once(tmp_path: Path) -> None:
    write_input(tmp_path, 200)
    (tmp_path / "in.jsonl").rename(tmp_path / "a.jsonl")
    write_input(tmp_path, 20)
    async with (
        endpoint(latency=3.0) as server,
        under_way(tmp_path, server, "a.jsonl", "-o", "out.jsonl", sent=5) as first,
        under_way(tmp_path, server, *WORDS) as refused,
    ):
        code, _, err = await ended(refused)
        assert (code, "out.jsonl exists already" in err) == (2, True)
        code, _, err = await said(tmp_path, "requests", "run", *WORDS, "--force", base_url=server.base_url)
        assert (code, "out.jsonl. Wait for it, or name another file." in err) == (2, True)
        code, out, err = await said(
            tmp_path, "requests", "run", "in.jsonl", "-o", "b.jsonl", base_url=server.base_url
        )
        assert (code, "20 ok" in out) == (0, True), err
        assert first.returncode is None  # they were at work together
        server.latency = 0.01
        assert (await ended(first))[0] == 0
        assert [len(lines_of(tmp_path / name)) for name in ("out.jsonl", "b.jsonl")] == [200, 20]
        assert len(list((tmp_path / ".agentbatch" / "runs").iterdir())) == 2  # the refused ones left none
