"""Tasks in Chinese and Japanese, by the installed command: what people read stays whole and in line."""

import json
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.text import width
from tests.support import commands
from tests.support.keys import KEY

CHINESE = "编写 greet.py:运行 `python3 greet.py 小明` 输出 `你好,小明!`。"
JAPANESE = (
    "挨拶.py を作成してください。`python3 挨拶.py 花子` を実行すると「こんにちは、花子さん」と表示すること。"
)
PROGRAMS = {
    CHINESE: ("greet.py", "小明", "import sys\nprint(f'你好,{sys.argv[1]}!')\n", "你好,小明!"),
    JAPANESE: (
        "挨拶.py",
        "花子",
        "import sys\nprint(f'こんにちは、{sys.argv[1]}さん')\n",
        "こんにちは、花子さん",
    ),
}
"""File, argument, text, and what it prints."""


def verdict(text: str, follow_up: str, quote: str = "") -> Say:
    found: list[dict[str, str]] = [{"ref": "C2", "quote": quote}] if quote else []
    return Say(
        verdict={
            "requirements": [{"text": text, "met": bool(quote), "evidence": found}],
            "missing": [] if quote else [follow_up],
            "complete": bool(quote),
            "blocked": False,
            "score": 1.0 if quote else 0.2,
            "follow_up_prompt": "" if quote else follow_up,
        }
    )


def script(task: str, follow_up: str) -> Script:
    path, name, program, printed = PROGRAMS[task]
    wrong = ScriptedCall(name="write_file", arguments={"path": path, "content": "print('?')\n"})
    right = ScriptedCall(name="write_file", arguments={"path": path, "content": program})
    run = ScriptedCall(name="bash", arguments={"command": f"python3 {path} {name}"})
    done = Say(calls=[ScriptedCall(name="finish", arguments={"summary": follow_up})])
    return Script(
        prompt=task,
        coder=[Say(calls=[wrong, run]), done, Say(calls=[right, run]), done],
        evaluator=[verdict(task, follow_up), verdict(task, follow_up, printed)],
    )


@pytest.mark.slow
async def test_tasks_in_chinese_and_japanese(folder: Path, environ: dict[str, str]) -> None:
    follow_ups = {
        CHINESE: "请修改 greet.py,让它输出问候语。",
        JAPANESE: "挨拶を表示するように直してください。",
    }
    tasks = [
        {"id": "问候程序", "dir": "项目/问候", "first_prompt": CHINESE},
        {"id": "挨拶プログラム", "dir": "作業/挨拶", "first_prompt": JAPANESE},
    ]
    (folder / "task.json").write_text(json.dumps({"tasks": tasks}, ensure_ascii=False), encoding="utf-8")
    server = RehearsalServer([script(task, follow_ups[task]) for task in PROGRAMS], key=KEY)
    async with server:
        env = {**environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
        env |= {"CODER_MODEL": "rehearsal-coder", "EVALUATION_MODEL": "rehearsal-evaluator"}

        async def run(*words: str) -> str:
            started = commands.start(*words, cwd=folder, env=env)
            out, err = await started.communicate()
            assert started.returncode == 0, (out + err).decode()
            return out.decode()

        shown = await run("--serial", "--rest-ms", "0", "--checks", "0")
    assert "2 tasks: 2 completed" in shown
    for task, folder_of in zip(PROGRAMS, ("项目/问候", "作業/挨拶"), strict=True):
        assert (folder / folder_of / PROGRAMS[task][0]).read_text("utf-8") == PROGRAMS[task][2]
    written = (folder / "batch_results.json").read_text("utf-8")
    assert "问候程序" in written and follow_ups[JAPANESE] in written  # noqa: PT018
    assert '"kind": "example"' in written, "an example in Chinese or Japanese is a check"
    for line in (await run("status")).splitlines():
        assert width(line) <= 80, line
    told = [line for line in shown.splitlines() if line.startswith("  ✓ ")]
    assert len(told) == len(PROGRAMS)
    assert len({width(line[: line.index("completed")]) for line in told}) == 1, "in one column"
    page = await run("report", "--md", "-")
    assert "问候程序" in page and "挨拶プログラム" in page  # noqa: PT018
