from dataclasses import replace
from typing import Any

import pytest

from agentbatch.model.capabilities import (
    LADDER,
    Capabilities,
    OutputForm,
    stepped_down,
)
from agentbatch.model.refusals.hosts import initial_capabilities
from agentbatch.model.refusals.lessons import learn
from agentbatch.model.refusals.server_error import ServerError

FULL = Capabilities()
SCHEMA_MODE = Capabilities(tool_mode="schema")
TEXT_MODE = Capabilities(tool_mode="text")

BODY: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a", "reasoning_content": "r"},
    ],
    "tools": [{}],
    "parallel_tool_calls": True,
    "temperature": 0.2,
    "max_tokens": 100,
}
WITH_SCHEMA = {**BODY, "response_format": {"type": "json_schema"}}
WITH_STOP: dict[str, Any] = {"messages": BODY["messages"], "stop": ["x"]}

REASONING = (
    "messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is unsupported"
)


@pytest.mark.parametrize(
    ("error", "body", "lost"),
    [
        # OpenAI
        (
            ServerError(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                code="unsupported_parameter",
                param="max_tokens",
            ),
            BODY,
            {"output_limits": ("max_completion_tokens",)},
        ),
        (
            ServerError(
                400,
                "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) "
                "value is supported.",
                code="unsupported_value",
                param="temperature",
            ),
            BODY,
            {"temperature": False},
        ),
        (
            ServerError(
                400, "Unsupported parameter: 'parallel_tool_calls' is not supported with this model."
            ),
            BODY,
            {"parallel_tool_calls": False},
        ),
        (
            ServerError(400, "Invalid schema for response_format 'verdict': In context=(), ..."),
            WITH_SCHEMA,
            {"output_form": "json_object"},
        ),
        (
            ServerError(
                400, "Unsupported value: 'messages[0].role' does not support 'system' with this model."
            ),
            BODY,
            {"system": False},
        ),
        # Moonshot
        (
            ServerError(400, "invalid temperature: only 1 is allowed for this model"),
            BODY,
            {"temperature": False},
        ),
        # DeepSeek
        (
            ServerError(400, "This response_format type is unavailable now"),
            WITH_SCHEMA,
            {"output_form": "json_object"},
        ),
        (
            ServerError(422, "response_format: response_format.type `json_schema` is unavailable now"),
            WITH_SCHEMA,
            {"output_form": "json_object"},
        ),
        # Ollama, vLLM, llama.cpp, OpenRouter
        (
            ServerError(400, "registry.ollama.ai/library/gemma does not support tools"),
            BODY,
            {"tool_mode": "schema"},
        ),
        (
            ServerError(
                400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            ),
            BODY,
            {"tool_mode": "schema"},
        ),
        (ServerError(500, "tools param requires --jinja flag"), BODY, {"tool_mode": "schema"}),
        (
            ServerError(400, "This model only supports single tool-calls at once!"),
            BODY,
            {"parallel_tool_calls": False},
        ),
        (ServerError(404, "No endpoints found that support tool use."), BODY, {"tool_mode": "schema"}),
        (ServerError(400, "System role not supported"), BODY, {"system": False}),
        # Cerebras, Groq, Mistral
        (ServerError(400, REASONING), BODY, {"refused_fields": frozenset({"reasoning_content"})}),
        (
            ServerError(422, '[{"type":"extra_forbidden","loc":["body","messages",2,"reasoning_content"]}]'),
            BODY,
            {"refused_fields": frozenset({"reasoning_content"})},
        ),
    ],
)
def test_a_refusal_teaches_exactly_what_it_says(
    error: ServerError, body: dict[str, Any], lost: dict[str, Any]
) -> None:
    assert learn(FULL, error, body) == replace(FULL, **lost)


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (ServerError(401, "tools are not supported"), BODY),
        (ServerError(429, "temperature is not supported"), BODY),
        (ServerError(400, ""), BODY),
        (
            ServerError(400, "Invalid 'temperature': decimal above maximum value 2.", param="temperature"),
            BODY,
        ),
        (ServerError(400, "max_tokens is too large: 100000. This model supports at most 4096."), BODY),
        (ServerError(404, "The model `x` does not exist or you do not have access to it."), BODY),
        (ServerError(400, "Messages with role 'tool' must follow a message with 'tool_calls'."), BODY),
        (ServerError(400, "The `reasoning_content` in the thinking mode must be passed back."), BODY),
        # What the request did not carry cannot have been refused.
        (ServerError(400, "json_schema is not supported"), BODY),
        (ServerError(400, "tools are not supported"), {"messages": []}),
        (ServerError(400, "'max_completion_tokens' is not supported"), BODY),
        (ServerError(400, "reasoning_content is not supported"), {"messages": [{"role": "user"}]}),
        (ServerError(500, "the grammar engine crashed"), WITH_SCHEMA),
    ],
)
def test_other_refusals_teach_nothing(error: ServerError, body: dict[str, Any]) -> None:
    assert learn(FULL, error, body) is None


def test_the_output_ladder_ends_at_the_prompt() -> None:
    error = ServerError(400, "response_format is not supported")
    known, forms = FULL, [FULL.output_form]
    while known.output_form != "prompt":
        learnt = learn(known, error, {**BODY, "response_format": {"type": known.output_form}})
        assert learnt is not None
        assert learnt.output_form not in forms
        known = learnt
        forms.append(known.output_form)
    assert tuple(forms) == LADDER
    assert learn(known, error, BODY) is None


def test_two_refused_names_of_the_output_limit_leave_none() -> None:
    one = learn(FULL, ServerError(400, "'max_tokens' is not supported"), BODY)
    assert one is not None
    body = {"messages": [], "max_completion_tokens": 9}
    two = learn(one, ServerError(400, "'max_completion_tokens' is not supported"), body)
    assert two == replace(FULL, output_limits=())


def test_lessons_of_two_calls_at_once_are_both_kept() -> None:
    one = replace(FULL, tool_mode="schema", output_form="prompt", stop=False)
    two = replace(FULL, temperature=False, tool_mode="text", output_form="json_object", output_limits=())
    both = replace(two, output_form="prompt", stop=False)
    assert one.merged(two) == both == two.merged(one)


def test_what_was_lost_is_named() -> None:
    assert (
        FULL.lost(replace(FULL, tool_mode="schema", output_form="prompt")) == "json_schema output, tool calls"
    )
    assert (
        SCHEMA_MODE.lost(replace(SCHEMA_MODE, tool_mode="text", stop=False))
        == "actions of a JSON schema, stop"
    )
    assert FULL.lost(FULL) == ""


def test_the_modes_are_stepped_down_one_by_one() -> None:
    assert stepped_down(FULL) == SCHEMA_MODE
    assert stepped_down(SCHEMA_MODE) == TEXT_MODE == stepped_down(TEXT_MODE)
    forms: tuple[OutputForm, ...] = ("json_object", "prompt")
    for form in forms:
        no_schema = replace(FULL, output_form=form)
        assert stepped_down(no_schema) == replace(no_schema, tool_mode="text"), "a schema cannot be had"


def test_what_schema_and_text_mode_are_refused() -> None:
    no_schema = ServerError(400, "response_format is not supported")
    assert learn(SCHEMA_MODE, no_schema, WITH_SCHEMA) == replace(TEXT_MODE, output_form="json_object")
    words = (
        "Unsupported parameter: 'stop' is not supported with this model.",
        "stop sequences are not supported by this backend",
        "Unrecognized request argument supplied: `stop`",
    )
    for text in words:
        assert learn(TEXT_MODE, ServerError(400, text), WITH_STOP) == replace(TEXT_MODE, stop=False)
        assert learn(TEXT_MODE, ServerError(400, text), {"messages": []}) is None
    assert learn(TEXT_MODE, ServerError(400, "'stop' must have at most 4 elements"), WITH_STOP) is None


def test_what_google_is_known_to_want() -> None:
    """A tool's result without its name is no more than an invalid argument there (hermes-agent #19728)."""
    for url in (
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi",
    ):
        assert initial_capabilities(url).history_rules == {"named"}
        assert not initial_capabilities(url).tool_limits


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://me.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://api.deepseek.com", "max_tokens"),
        ("http://127.0.0.1:8000/v1", "max_tokens"),
    ],
)
def test_the_first_name_tried_for_the_output_limit(url: str, name: str) -> None:
    assert initial_capabilities(url).output_limits[0] == name
