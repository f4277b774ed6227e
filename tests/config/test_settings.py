from pathlib import Path

import pytest

from agentbatch.config import Settings, load_settings, options, secret_variables
from agentbatch.errors import UserError

KEYS = {"CODER_API_KEY": "sk-coder-12345678", "EVALUATION_API_KEY": "sk-judge-12345678"}


def load(
    tmp_path: Path, environ: dict[str, str], flags: dict[str, str] | None = None, dotenv: str = ""
) -> Settings:
    if dotenv:
        (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
    return load_settings(flags or {}, environ, folder=tmp_path)


def test_flags_win_over_environment_over_env_file_over_defaults(tmp_path: Path) -> None:
    dotenv = "AGENTBATCH_RPM=1\nAGENTBATCH_TPM=1\nAGENTBATCH_PARALLEL=1\n"
    environ = {"AGENTBATCH_RPM": "2", "AGENTBATCH_TPM": "2"}
    settings = load(tmp_path, environ, {"rpm": "3"}, dotenv)
    assert (settings.rpm, settings.tpm, settings.parallel, settings.max_iterations) == (3, 2, 1, 10)


def test_the_roles_own_variables_win_over_the_common_ones(tmp_path: Path) -> None:
    environ = {
        "OPENAI_API_KEY": "sk-common-12345678",
        "OPENAI_BASE_URL": "http://localhost:1/v1/",
        "OPENAI_MODEL": "common",
        "CODER_MODEL": "coder",
        "EVALUATION_BASE_URL": "https://judge.example/v1",
        "EVALUATION_API_KEY": "sk-judge-12345678",
    }
    settings = load(tmp_path, environ)
    coder, judge = settings.coder, settings.evaluator
    assert (coder.model, coder.base_url) == ("coder", "http://localhost:1/v1")
    assert coder.api_key.get_secret_value() == "sk-common-12345678"
    assert (judge.model, judge.base_url) == ("common", "https://judge.example/v1")
    assert judge.api_key.get_secret_value() == "sk-judge-12345678"
    assert not settings.rehearsal


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    settings = load(tmp_path, {"OPENAI_API_KEY": "", "AGENTBATCH_RPM": ""}, dotenv="CODER_API_KEY=\n")
    assert settings.rehearsal
    assert settings.rpm is None


def test_a_coder_that_may_ask_no_model_of_ours_may_need_no_key(tmp_path: Path) -> None:
    """Whether it does is known with the tasks."""
    key = {"EVALUATION_API_KEY": "sk-12345678"}
    for named in ({"AGENTBATCH_CODER": "mine"}, {"AGENTBATCH_CODER_LOGIN": "claude"}):
        assert load(tmp_path, {**key, **named}).other_coders


def test_keys_do_not_show(tmp_path: Path) -> None:
    settings = load(tmp_path, KEYS)
    assert "sk-coder" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.secrets == list(KEYS.values())


@pytest.mark.parametrize(
    ("environ", "flags", "message"),
    [
        ({"CODER_API_KEY": "sk-12345678"}, {}, "No API key for the evaluator: .*EVALUATION_API_KEY"),
        ({"EVALUATION_API_KEY": "sk-12345678"}, {}, "No API key for the coder: .*CODER_API_KEY"),
        ({"CODER_ENDPOINT": "http://x/v1"}, {}, "No API key for the coder: CODER_ENDPOINT is set"),
        ({}, {"coder_endpoint": "localhost"}, "--coder-endpoint: must be a URL like .*, not 'localhost'"),
        ({"OPENAI_BASE_URL": "ftp://x"}, {}, "^[^\n]*OPENAI_BASE_URL: must be a URL[^\n]*$"),
        ({"CODER_ENDPOINT": "https://x/v1/chat/completions/"}, {}, "what stands before /chat/completions"),
        ({"CODER_ENDPOINT": "https://x/v1/responses?api-version=1"}, {}, "what stands before /responses"),
        ({}, {"coder_endpoint": "http://a..b/v1"}, "--coder-endpoint: must be a URL like"),
        ({"CODER_ENDPOINT": "http://x:99999/v1"}, {}, "must be a URL"),
        ({"CODER_ENDPOINT": "http://me:pw@x/v1"}, {}, "a URL with a user or password in it is not taken"),
        ({"CODER_ENDPOINT": "http://x/v1?key=[redacted]"}, {}, "the key in this address was not kept"),
        ({}, {"parallel": "0"}, "must be 1 or more, not '0'"),
        ({}, {"parallel": "-1"}, "must be 1 or more, not '-1'"),
        ({}, {"parallel": "x"}, "must be a whole number, not 'x'"),
        ({"AGENTBATCH_MAX_ITERATIONS": "1.5"}, {}, "AGENTBATCH_MAX_ITERATIONS: must be a"),
        ({}, {"timeout": "soon"}, "--timeout: must be a number"),
        ({}, {"escalate": "2:@"}, "like 2:gpt-5 or .*, not '2:@'"),
        ({}, {"coder_endpoint": "ftp://me:secret@h"}, r"^(?!.*secret)"),
        ({}, {"filter": "("}, "--filter: '\\(' is not a regular expression"),
        ({}, {"display": "tv"}, "must be 'auto', 'tui', 'rich', 'plain', 'json' or 'none'"),
        ({"CODER_API_KEY": "${MY_KEY}"}, {}, "is not a key: .env is taken as it stands"),
        ({"CODER_API_KEY": "sk-..."}, {}, "CODER_API_KEY: is no key yet: put yours in its place.$"),
        ({"CODER_API_KEY": "sk-…"}, {}, "is no key yet"),
        ({"CODER_API_KEY": "<your-key>"}, {}, "is no key yet"),
        ({"CODER_API_KEY": "your_key_here"}, {}, "is no key yet"),
        ({"CODER_API_KEY": "two words"}, {}, "is not a key: that is one word of plain ASCII characters.$"),
    ],
)
def test_a_bad_setting_gets_one_sentence(
    tmp_path: Path, environ: dict[str, str], flags: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, environ, flags)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6h", 21_600),
        ("90m", 5_400),
        ("1d12h", 129_600),
        ("600", 600),
        ("0", 0),
        ("1.5h", 5_400),
        ("max", 691_200),
    ],
)
def test_how_long_a_quota_is_waited_for(tmp_path: Path, text: str, seconds: float) -> None:
    assert load(tmp_path, {}, {"wait_for_quota": text}).wait_for_quota == seconds


@pytest.mark.parametrize("text", ["soon", "6x", "h", "-1h", "9d", "1e9", "6 h"])
def test_no_other_word_is_a_time(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="^--wait-for-quota: "):
        load(tmp_path, {}, {"wait_for_quota": text})


def test_a_bad_key_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, {"CODER_API_KEY": "sk-secret with-a-space"})
    assert "sk-secret" not in str(error.value)


def test_env_files(tmp_path: Path) -> None:
    (tmp_path / "prod.env").write_text("AGENTBATCH_RPM=9\nX=${HOME}\n", encoding="utf-8")
    assert load_settings({}, {}, Path("prod.env"), tmp_path).rpm == 9
    with pytest.raises(UserError, match="--env-file: there is no file"):
        load_settings({}, {}, Path("none.env"), tmp_path)
    (tmp_path / "bad.env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(UserError, match="cannot be read as a UTF-8 env file"):
        load_settings({}, {}, Path("bad.env"), tmp_path)
    with pytest.raises(UserError, match="AGENTBATCH_RPM in .*low.env"):
        (tmp_path / "low.env").write_text("AGENTBATCH_RPM=0\n", encoding="utf-8")
        load_settings({}, {}, Path("low.env"), tmp_path)


def test_every_setting_has_a_variable_but_for_what_no_env_file_may_say() -> None:
    assert [name for name, opt in options().items() if not opt.env] == ["trust_changes", "models", "coders"]
    keys = {"CODER_API_KEY", "EVALUATION_API_KEY", "OPENAI_API_KEY"}
    assert secret_variables() == {
        *keys,
        *(f"{key}_COMMAND" for key in keys),
        *("AGENTBATCH_HEADERS", "CODER_HEADERS", "EVALUATION_HEADERS"),
        *("AGENTBATCH_CLIENT_KEY_PASSWORD", "AGENTBATCH_NOTIFY"),
    }


ROLE_KEYS = {"CODER_API_KEY": "sk-coder", "EVALUATION_API_KEY": "sk-judge"}


@pytest.mark.parametrize(
    ("environ", "file", "key", "command"),
    [
        ({"CODER_API_KEY_COMMAND": "get", "OPENAI_API_KEY": "sk-both"}, "", "", "get"),
        ({"CODER_API_KEY": "sk-own", "OPENAI_API_KEY_COMMAND": "get"}, "", "sk-own", ""),
        ({"OPENAI_API_KEY_COMMAND": "get"}, "OPENAI_API_KEY=sk-file", "", "get"),
        ({"OPENAI_API_KEY": "sk-both"}, "OPENAI_API_KEY_COMMAND=get", "sk-both", ""),
        ({"OPENAI_API_KEY": "sk-both"}, "CODER_API_KEY_COMMAND=get", "", "get"),
    ],
)
def test_a_key_and_a_command_that_prints_one_are_one_or_the_other(
    tmp_path: Path, environ: dict[str, str], file: str, key: str, command: str
) -> None:
    (tmp_path / "keys").write_text(file)
    settings = load_settings({"judge": "none"}, environ, Path("keys"), tmp_path)
    role = settings.coder
    assert (role.api_key.get_secret_value(), role.key_command.get_secret_value()) == (key, command)
    assert not settings.rehearsal


@pytest.mark.parametrize(
    ("environ", "file", "words"),
    [
        (
            {"CODER_API_KEY": "sk-a", "CODER_API_KEY_COMMAND": "get"},
            "",
            "CODER_API_KEY and CODER_API_KEY_COMMAND are both set",
        ),
        (ROLE_KEYS, "CODER_API_KEY_COMMAND=touch /planted", "CODER_API_KEY_COMMAND in .env is not run"),
        (ROLE_KEYS, "OPENAI_API_KEY_COMMAND=touch /planted", "OPENAI_API_KEY_COMMAND in .env is not run"),
    ],
)
def test_a_command_that_anybody_could_have_written_is_not_run(
    tmp_path: Path, environ: dict[str, str], file: str, words: str
) -> None:
    (tmp_path / ".env").write_text(file)
    with pytest.raises(UserError, match=words):
        load_settings({}, environ, None, tmp_path)


def test_headers_of_both_roles_and_of_each(tmp_path: Path) -> None:
    environ = {
        **ROLE_KEYS,
        "AGENTBATCH_HEADERS": "x-team=everybody,x-gate=gate-secret",
        "CODER_HEADERS": "X-Team=coders-own",
    }
    settings = load_settings({}, environ, None, tmp_path)
    coder = [header.get_secret_value() for header in settings.coder.headers]
    judge = [header.get_secret_value() for header in settings.evaluator.headers]
    assert coder == ["X-Team=coders-own", "x-gate=gate-secret"]
    assert judge == ["x-team=everybody", "x-gate=gate-secret"]
    assert {"gate-secret", "coders-own", "sk-coder"} <= set(settings.secrets)
    assert settings.coder.access != settings.evaluator.access
    assert "gate-secret" not in repr(settings)
    flags = {"header": ["x-team=by-flag, one=value"]}
    assert load_settings(flags, ROLE_KEYS, None, tmp_path).coder.headers[0].get_secret_value() == (
        "x-team=by-flag, one=value"
    )


@pytest.mark.parametrize(
    ("flags", "environ", "apis"),
    [
        ({}, {}, ("auto", "auto")),
        ({}, {"AGENTBATCH_API": "responses"}, ("responses", "responses")),
        ({}, {"AGENTBATCH_API": "responses", "CODER_API": "chat"}, ("chat", "responses")),
        ({}, {"EVALUATION_API": "responses"}, ("auto", "responses")),
        ({"api": "chat"}, {"EVALUATION_API": "responses"}, ("chat", "chat")),
        ({"api": "auto"}, {"CODER_API": "responses"}, ("auto", "auto")),
    ],
)
def test_the_api_of_both_roles_and_of_each(
    tmp_path: Path, flags: dict[str, str], environ: dict[str, str], apis: tuple[str, str]
) -> None:
    settings = load_settings(flags, {**ROLE_KEYS, **environ}, None, tmp_path)
    assert (settings.coder.api, settings.evaluator.api) == apis
    both = load_settings(flags, {"OPENAI_API_KEY": "sk-one", **environ}, None, tmp_path)
    assert both.coder.access == both.evaluator.access, "one endpoint, whose limits both keep"


def test_a_header_that_stands_for_the_key_needs_none(tmp_path: Path) -> None:
    environ = {
        "AGENTBATCH_HEADERS": "api-key=azure-secret",
        "CODER_ENDPOINT": "https://x.openai.azure.com/v1",
    }
    settings = load_settings({}, environ, None, tmp_path)
    assert not settings.rehearsal
    with pytest.raises(UserError, match="No API key for the evaluator"):
        load_settings({}, {"CODER_HEADERS": "api-key=azure-secret"}, None, tmp_path)


def test_a_wrong_header_is_named_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="CODER_HEADERS: a header is NAME=VALUE") as refused:
        load_settings({}, {**ROLE_KEYS, "CODER_HEADERS": "azure-secret"}, None, tmp_path)
    assert "azure-secret" not in str(refused.value)
    with pytest.raises(UserError, match="--header: the header Host is made by the connection") as refused:
        load_settings({"header": ["Host=azure-secret"]}, ROLE_KEYS, None, tmp_path)
    assert "azure-secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_have_the_names_of_the_field(tmp_path: Path, name: str) -> None:
    assert load_settings({}, {name: "ours.pem"}, None, tmp_path).ca_bundle == Path("ours.pem")
