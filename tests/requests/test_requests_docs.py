"""The examples of docs/requests.md run."""

import asyncio
import os
import re
import sys
from pathlib import Path

from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests.request import read_line

PAGE = (Path(__file__).parents[2] / "docs" / "requests.md").read_text(encoding="utf-8")


async def test_the_python_example(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    async with RehearsalServer(plain=True, key="sk-example-1234567") as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "example.py", cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-example-1234567"},
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    told = out.decode().splitlines()
    assert told[0].startswith("Estimate(requests=2, ")
    assert [line.split()[0] for line in told[1:3]] == ["r1", "r2"]
    assert told[3].startswith("2 0 ")


def test_the_lines_of_input() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    assert [read_line(line, "docs").id for line in block.splitlines()] == ["a1", "a2"]
