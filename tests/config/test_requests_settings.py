"""The settings of `agentbatch requests run`: what is wrong with them, and how they are said again."""

import pytest

from agentbatch.config import Settings
from agentbatch.config.requests_settings import (
    SHARED,
    RequestsSettings,
    command_words,
    lasting,
    load_requests_settings,
    requests_options,
)
from agentbatch.errors import UserError


def test_each_setting_is_in_one_table_and_each_flag_is_one_settings() -> None:
    assert SHARED.keys() <= Settings.model_fields.keys()
    assert not SHARED.keys() & RequestsSettings.model_fields.keys()
    flags = [option.flag for _, option in requests_options().values() if option.flag]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"concurrency": "0"}, "--concurrency: must be a whole number from 1 to 10000, not '0'."),
        ({"concurrency": "x"}, "--concurrency: must be a whole number from 1 to 10000, not 'x'."),
        ({"batch_size": "11"}, "--batch-size: must be a whole number from 1 to 10, not '11'."),
        ({"max_retries": "6"}, "--max-retries: must be a whole number from 0 to 5, not '6'."),
        ({"throttle_ms": "2001"}, "--throttle-ms: must be a whole number from 0 to 2000, not '2001'."),
        ({"timeout": "0"}, "--timeout: must be more than 0, not '0'."),
        ({"temperature": "warm"}, "--temperature: must be a number, not 'warm'."),
        ({"temperature": "nan"}, "--temperature: must be a finite number, not 'nan'."),
    ],
)
def test_what_is_wrong(flags: dict[str, str], problem: str) -> None:
    with pytest.raises(UserError) as told:
        load_requests_settings(flags)
    assert str(told.value) == problem


def test_a_batch_can_be_said_again() -> None:
    flags = {"input": "my in.jsonl", "rpm": "60", "output": "out.jsonl", "cache": True, "resume": True,
             "notify": ["json://a", "json://b"], "display": "json", "env_file": "k.env"}  # fmt: skip
    assert command_words(flags) == [
        "agentbatch", "requests", "run", "my in.jsonl", "--rpm", "60", "-o", "out.jsonl", "--cache", "--resume",
        "--notify", "json://a", "--notify", "json://b", "--json", "--env-file", "k.env",
    ]  # fmt: skip


def test_nothing_of_one_session_and_no_address_is_kept() -> None:
    once = {"resume": True, "retry_failed": True, "force": True, "daemon": True, "notify": ["json://a"]}
    once |= {"trust_changes": True}
    assert lasting({"coder_endpoint": "https://h/v1?key=k1"}) == {
        "coder_endpoint": "https://h/v1?key=[redacted]"
    }
    assert lasting({"input": "in", "rpm": "60", "cache": True, **once}) == {
        "input": "in", "rpm": "60", "cache": True,
    }  # fmt: skip
