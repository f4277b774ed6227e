"""A careless small judge accepts whatever it sees; what the task says that a command prints decides."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from tests.tasks.run.verdicts import COMPLETE

FUNCTIONS = """def count_words(text):
    counts = {}
    for word in text.split():
        counts[word] = counts.get(word, 0) + 1
    return counts
"""
PROGRAM = f"""import sys
{FUNCTIONS}
if __name__ == "__main__":
    for word, count in count_words(sys.argv[1]).items():
        print(word, count)
"""


def write(content: str) -> Say:
    run = {"command": "python3 -c 'import count_words'"}
    done = {"path": "count_words.py", "content": content}, run, {"summary": "Done."}
    names = ("write_file", "bash", "finish")
    return Say(calls=[ScriptedCall(name=name, arguments=one) for name, one in zip(names, done, strict=True)])


@pytest.mark.parametrize(
    "task",
    [
        "Write count_words.py with a function count_words(text) that gives a dict. Running `python3 count_words.py "
        '"a b a"` prints one line per word: `a 2` and `b 1`.',
        pytest.param(
            '编写 count_words.py，含函数 count_words(text)。运行 `python3 count_words.py "a b a"` 时打印单词及其次数。',
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "count_words.py に関数 count_words(text) を書いてください。`python3 count_words.py 'a b a'` を実行すると "
            "`a 2` と `b 1` を表示します。",
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_functions_alone_are_not_enough(run_tasks: Any, tmp_path: Path, task: str) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text("[limits]\nchecks = 0\n[model]\ncontext_window = 8192\n")
    script = Script(prompt=task, coder=[write(FUNCTIONS), write(PROGRAM)], evaluator=[Say(verdict=COMPLETE)])
    ran = await run_tasks([{"id": "t", "dir": "work", "first_prompt": task}], [script])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    (refused,) = ran.task.verdicts[0].refusals
    assert "printed nothing" in refused
