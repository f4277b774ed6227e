"""docs/python.md is true: its examples run."""

import asyncio
import os
import re
from pathlib import Path

from agentbatch.rehearsal.library import sample_scripts
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.commands import start_program
from tests.support.keys import KEY
from tests.support.paths import CHECKOUT

PAGE = (CHECKOUT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


async def output_of(code: str, folder: Path) -> list[str]:
    """The lines that an example writes, run as a script of its own."""
    (folder / "example.py").write_text(code, encoding="utf-8")
    async with RehearsalServer(sample_scripts(), any_model=True, key=KEY) as server:
        environ = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        process = start_program(folder / "example.py", cwd=folder, env=environ)
        out, err = await asyncio.wait_for(process.communicate(), 120)
    assert (process.returncode, err.decode()) == (0, "")
    return out.decode().splitlines()


async def test_the_first_example(tmp_path: Path) -> None:
    told = await output_of(BLOCKS[0], tmp_path)
    assert any(line.startswith("roman write_file roman.py") for line in told)
    assert re.fullmatch(r"run [\w-]+ finished: 1 completed; .* tokens, –", told[-4])
    assert re.fullmatch(r"roman completed accepted \d+ None \['roman.py'\]", told[-1])
    assert (tmp_path / "work/roman/roman.py").is_file()
    assert (tmp_path / "parallel_batch_results.json").is_file()
