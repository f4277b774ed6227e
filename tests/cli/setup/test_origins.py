"""Where settings come from, as doctor says it."""

from pathlib import Path

from agentbatch.cli.setup.origins import origins
from agentbatch.config import load


def test_each_value_has_its_origin_and_no_key_is_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "OPENAI_API_KEY=sk-0123456789\nCODER_MODEL=m\nAGENTBATCH_RPM=9\nAGENTBATCH_TMP=3\n", encoding="utf-8"
    )
    environ = {"EVALUATION_BASE_URL": "http://localhost:1/v1?key=sk-1"}
    told = [
        (one.result, one.name, one.detail)
        for one in origins(load({"tpm": 5, "coder_name": "pi"}, environ, folder=tmp_path))
    ]
    assert told[:3] == [
        ("ok", "coder from", "model m from CODER_MODEL in .env; key from OPENAI_API_KEY in .env"),
        (
            "ok",
            "evaluator from",
            "endpoint http://localhost:1/v1?key=[redacted] from EVALUATION_BASE_URL; "
            "key from OPENAI_API_KEY in .env",
        ),
        ("ok", "other settings", "coder from --coder; rpm from AGENTBATCH_RPM in .env; tpm from --tpm"),
    ]
    assert told[3][:2] == ("warn", "settings")
    assert "did you mean AGENTBATCH_T" in told[3][2]
    assert "sk-" not in str(told)


def test_nothing_set_is_said(tmp_path: Path) -> None:
    assert [one.detail for one in origins(load({}, {}, folder=tmp_path))] == ["key: not set"] * 2
