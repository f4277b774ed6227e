"""The flags that a run was started with, as it recorded them."""

import argparse
from typing import Any

import pytest

from agentbatch.cli.main import parse
from agentbatch.cli.requests.flags import add_run_flags, given_flags, recorded_flags
from agentbatch.config.requests_settings import command_words
from agentbatch.errors import UserError
from agentbatch.runs.events import RunStarted

OLDER = (
    '{"seq":1,"ts":1795946336.8387098,"type":"run_started","run_id":"20261129-095848-deda","kind":"requests",'
    '"session":1,"seconds_before":0.0,"settings":{},"flags":{"words":["requests","run","in.jsonl","-o","out.jsonl",'
    '"--concurrency","2","--ordered","--system","sys.txt","--rpm=1200","--no-dedupe"]},"task_file":"/b/in.jsonl",'
    '"output":"/b/out.jsonl","version":"0.1.0","mode":"parallel","max_concurrent":2,"total_tasks":300,'
    '"coder_model":"rehearsal-plain","evaluator_model":"none","coder_endpoint":"http://127.0.0.1:43445/v1",'
    '"evaluator_endpoint":"","provider_batch":false,"judged":false,"rehearsal":true,"sandbox":"none",'
    '"prompts_digest":"","warnings":[]}'
)
"""As a run stored it when it recorded the words of its command line."""

FLAGS = {
    "input": "in.jsonl", "output": "out.jsonl", "concurrency": "2", "ordered": True, "system": "sys.txt",
    "rpm": "1200", "no_dedupe": True,
}  # fmt: skip


def started(flags: dict[str, Any]) -> RunStarted:
    return RunStarted.model_validate_json(OLDER).model_copy(update={"flags": flags})


def test_the_words_of_an_older_run_are_the_same_flags() -> None:
    assert recorded_flags(RunStarted.model_validate_json(OLDER)) == FLAGS
    assert recorded_flags(started(FLAGS)) == FLAGS


@pytest.mark.parametrize("flags", [{}, {"words": "requests run"}, {"words": ["requests", 1]}])
def test_a_run_that_recorded_neither_cannot_be_resumed(flags: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="does not record the command"):
        recorded_flags(started(flags))


def test_only_what_was_given_is_recorded() -> None:
    parser = argparse.ArgumentParser()
    add_run_flags(parser)
    words = ["in.jsonl", "--notify", "json://a", "--json", "--notify", "json://b", "--env-file", "k.env"]
    given = given_flags(parser.parse_args(words))
    assert given | {"env_file": str(given["env_file"])} == {
        "input": "in.jsonl", "notify": ["json://a", "json://b"], "display": "json", "env_file": "k.env",
    }  # fmt: skip


@pytest.mark.parametrize("source", ["-in.jsonl", "--daemon", "-", "in.jsonl"])
def test_what_looks_like_a_flag_is_said_so_that_it_is_taken_for_a_value(source: str) -> None:
    flags = {
        "input": source, "output": "-out.jsonl", "system": "-s", "temperature": "-1", "model": "--force", "rpm": "60",
        "notify": ["-a", "json://b"], "env_file": "-k.env", "retry_failed": True,
    }  # fmt: skip
    given = given_flags(parse(command_words(flags)[1:]))
    as_text = {
        field: str(value) for field, value in given.items() if field in ("output", "system", "env_file")
    }
    assert {**given, **as_text} == flags
