"""A process that is killed again and again while its batches are packed, uploaded, waited for and read."""

import asyncio
import os
import random
from pathlib import Path

from agentbatch.rehearsal.faults.batch_service import BatchServiceOptions
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.commands import start_program
from tests.support.waiting import PATIENCE

REQUESTS, DIFFERENT, KILLS = 120, 100, 4

PROGRAM = f"""
import asyncio, sys
from pathlib import Path
from agentbatch.requests import BatchProcessor, BatchRequest, ProviderOptions, RetryPolicy

SCHEMA = {{"type": "object", "properties": {{"colour": {{"type": "string"}}}}, "required": ["colour"]}}

async def main():
    asked = [BatchRequest.ask(f"q{{n}}", f"Say {{n % {DIFFERENT}}}", json_schema=SCHEMA) for n in range({REQUESTS})]
    options = ProviderOptions(first_poll=0.02, longest_poll=0.1, most_requests=30)
    async with BatchProcessor(base_url=sys.argv[1], model="m", journal=Path("journal.db"),
                              provider_batch=options, retry=RetryPolicy(delay=0.05)) as processor:
        run = await processor.run(asked)
    print(sum(result.ok for result in run.results), run.stopped)

asyncio.run(main())
"""


async def test_nothing_is_paid_twice_wherever_it_dies(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    rng, kills = random.Random(11), 0
    async with RehearsalServer(
        plain=True, batch_service=BatchServiceOptions(seconds=0.3, careless=True)
    ) as server:
        assert server.service is not None
        while True:
            process = start_program(tmp_path / "program.py", server.base_url, cwd=tmp_path, env=os.environ)
            ended = asyncio.ensure_future(process.communicate())
            heard = len(server.requests) + rng.randint(1, 8)
            while kills < KILLS and len(server.requests) < heard and not ended.done():
                await asyncio.sleep(0.001)
            if kills == KILLS or ended.done():
                out, err = await asyncio.wait_for(ended, PATIENCE)
                break
            process.kill()
            await ended
            kills += 1
        assert (out.decode().strip(), kills) == (f"{REQUESTS}", KILLS), err.decode()
        # Each is asked twice: the first answers do not keep to the schema.
        assert sorted(server.service.paid.values()) == [1] * (2 * DIFFERENT)
