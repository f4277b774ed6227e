"""A fast model drafts, a strong one reviews: two batches, the second made of the first one's output."""

import json
import os
import subprocess
from pathlib import Path

from tests.support import commands


def _agentbatch(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODER_", "OPENAI_"))}
    return commands.run(*words, cwd=folder, env=kept)


def test_a_second_batch_is_made_of_the_answers_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "draft.md").write_text("What is {{ a }} + {{ b }}?")
    (tmp_path / "review.md").write_text("Is this right: {{ answer }}")
    made = _agentbatch(
        tmp_path, "requests", "make", "draft.md", "-o", "in.jsonl", "--set", "a=1-2", "--set", "b=3,4"
    )
    assert made.returncode == 0, made.stderr
    drafted = _agentbatch(tmp_path, "requests", "run", "in.jsonl", "-o", "out.jsonl", "--model", "fast")
    assert drafted.returncode == 0, drafted.stderr
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    failed = {
        "id": "x",
        "custom_id": "lost",
        "response": None,
        "error": {"code": "timeout", "message": "late"},
    }
    with open(tmp_path / "out.jsonl", "a") as out:
        out.write(json.dumps(failed) + "\n")
    again = _agentbatch(tmp_path, "requests", "make", "review.md", "-o", "in2.jsonl", "--rows", "out.jsonl")
    assert again.returncode == 0, again.stderr
    assert again.stderr == "out.jsonl: 1 request that failed left out\nin2.jsonl: 4 requests\n"
    asked = {
        line["id"]: line["prompt"]
        for line in map(json.loads, (tmp_path / "in2.jsonl").read_text().splitlines())
    }
    said = {a["custom_id"]: a["response"]["body"]["choices"][0]["message"]["content"] for a in answers}
    assert asked == {name: f"Is this right: {text}" for name, text in said.items()}
    reviewed = _agentbatch(tmp_path, "requests", "run", "in2.jsonl", "-o", "out2.jsonl", "--model", "strong")
    assert reviewed.returncode == 0, reviewed.stderr
    assert len((tmp_path / "out2.jsonl").read_text().splitlines()) == 4
