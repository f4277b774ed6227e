from pathlib import Path

import pytest

from agentbatch.cli.setup.check import Check
from agentbatch.cli.setup.checks import checks
from agentbatch.config import load_settings
from agentbatch.rehearsal.faults.refusals import Refusal
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.toolcalls.probe import FILE, LINES, MESSAGES

HELLO, TOOL, JSON = (
    "Say hello in one word.",
    str(MESSAGES[-1]["content"]),
    'What is 3 + 4? Answer as JSON: {"answer": number}.',
)
CALL = Say(calls=[ScriptedCall(name="write_file", arguments={"path": FILE, "content": "\n".join(LINES)})])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own: doctor remembers what it finds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def scripts(hello: Say | Fault, tool: Say, json: Say) -> list[Script]:
    return [
        Script(prompt=prompt, coder=[step], evaluator=[step])
        for prompt, step in ((HELLO, hello), (TOOL, tool), (JSON, json))
    ]


GOOD = scripts(Say(content="Hello"), CALL, Say(content='{"answer": 7}'))


async def examine(
    tmp_path: Path, server: RehearsalServer, key: str = "sk-12345678", **environ: str
) -> dict[str, Check]:
    flags = {
        "coder_endpoint": server.base_url,
        "evaluation_base_url": server.base_url,
        "coder_model": "rehearsal-coder",
        "evaluation_model": "rehearsal-evaluator",
        "sandbox": "none",
    }
    settings = load_settings(flags, {"OPENAI_API_KEY": key, **environ}, folder=tmp_path)
    return {check.name: check async for check in checks(settings, tmp_path)}


async def test_all_is_well(tmp_path: Path) -> None:
    async with RehearsalServer(GOOD, key="sk-12345678") as server:
        found = await examine(tmp_path, server)
    for role in ("coder", "evaluator"):
        for name in ("endpoint", "model", "json_schema"):
            assert found[f"{role} {name}"].result == "ok", found
    assert found["coder tools"].result == "ok"
    assert found["coder tools"].detail.startswith("native mode:")
    assert found["disk"].result in ("ok", "warn")
    assert found["sandbox"].result == "warn"


async def test_the_api_that_a_role_is_asked_by_is_said(tmp_path: Path) -> None:
    async with RehearsalServer(GOOD, refuse=["chat"]) as server:
        found = await examine(tmp_path, server, CODER_API="responses")
        assert [r.path for r in server.requests if r.body["model"] == "rehearsal-coder"] == [
            "/v1/responses"
        ] * 3
    assert found["coder endpoint"].detail == f"{server.base_url}, the Responses API"
    assert found["evaluator endpoint"] == found["coder endpoint"]._replace(name="evaluator endpoint")
    assert found["coder tools"].detail.startswith("native mode:")


async def test_what_an_endpoint_cannot_do_is_said(tmp_path: Path) -> None:
    refuse: tuple[Refusal, ...] = ("tools", "json_schema")
    async with RehearsalServer(GOOD, refuse=refuse) as server:
        found = await examine(tmp_path, server)
    assert found["coder tools"].result == "ok"
    assert found["coder tools"].detail.startswith("text mode:")
    assert found["coder json_schema"] == Check("warn", "coder json_schema", "structured by json_object")


async def test_a_wrong_key_fails_and_nothing_more_is_asked(tmp_path: Path) -> None:
    async with RehearsalServer(GOOD, key="sk-right-key") as server:
        found = await examine(tmp_path, server, key="sk-wrong-key")
        assert len(server.requests) == 2
    assert found["coder model"].result == "fail"
    assert "401" in found["coder model"].detail
    assert found["coder endpoint"].result == "warn"
    assert "coder tools" not in found


async def test_a_model_that_answers_without_calling_is_told(tmp_path: Path) -> None:
    odd = scripts(Say(content="Hi", usage=False), Say(content="Seven!"), Say(content="7"))
    async with RehearsalServer(odd) as server:
        found = await examine(tmp_path, server)
    assert found["coder tools"].result == "warn"
    assert found["coder json_schema"].result == "warn"
    assert found["coder usage"].result == "warn"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1"])
async def test_an_endpoint_that_is_not_there(tmp_path: Path, url: str) -> None:
    settings = load_settings(
        {"coder_endpoint": url, "evaluation_base_url": url}, {"OPENAI_API_KEY": "x"}, folder=tmp_path
    )
    found = {check.name: check async for check in checks(settings, tmp_path)}
    assert found["coder model"].result == "fail"
    assert "127.0.0.1:9" in found["coder model"].detail
    assert "coder endpoint" not in found
