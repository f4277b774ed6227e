"""What a refusal teaches about streaming."""

from dataclasses import replace
from typing import Any

import pytest

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.refusals.lessons import learn
from agentbatch.model.refusals.server_error import ServerError

FULL = Capabilities()
STREAM: dict[str, Any] = {
    "messages": [],
    "tools": [{}],
    "parallel_tool_calls": True,
    "response_format": {"type": "json_schema"},
    "stream": True,
    "stream_options": {"include_usage": True},
}
WHOLE = {name: value for name, value in STREAM.items() if not name.startswith("stream")}


@pytest.mark.parametrize(
    "error",
    [
        ServerError(400, "Unrecognized request argument supplied: stream_options"),
        ServerError(400, "Unknown parameter: 'stream_options'.", param="stream_options"),
        ServerError(422, '[{"type":"extra_forbidden","loc":["body","stream_options"],"input":{}}]'),
        ServerError(400, "Unsupported parameter: include_usage"),
        ServerError(400, "stream_options.include_usage is not supported with this model"),
    ],
)
def test_usage_in_a_stream_is_given_up_first(error: ServerError) -> None:
    assert learn(FULL, error, STREAM) == replace(FULL, stream_usage=False)


@pytest.mark.parametrize(
    "error",
    [
        ServerError(400, "Unsupported value: 'stream' does not support true with this model."),
        ServerError(400, "Your organization must be verified to stream this model.", param="stream"),
        ServerError(400, "Your organization must be verified to stream this model."),
        ServerError(500, "Cannot use tools with stream"),
        ServerError(400, "Streaming is not supported for this model"),
        ServerError(400, "This model does not support streaming."),
        ServerError(400, "Streaming isn't available with response_format of type json_schema"),
        ServerError(400, "JSON mode does not support streaming"),
        ServerError(501, "stream=true is not implemented"),
        ServerError(422, '[{"type":"extra_forbidden","loc":["body","stream"],"input":true}]'),
        ServerError(400, "Unsupported parameter: 'stream'"),
        ServerError(400, "Streaming is disabled on this gateway"),
        ServerError(400, "stream must be false when tools are given"),
    ],
)
def test_streaming_is_given_up(error: ServerError) -> None:
    learnt = learn(FULL, error, STREAM)
    assert learnt == replace(FULL, stream=False)
    assert learnt.streams is False
    assert FULL.lost(learnt) == "streaming"


@pytest.mark.parametrize(
    "error",
    [
        ServerError(400, "This model only support stream mode, please enable the stream parameter."),
        ServerError(400, "Stream must be set to true"),
        ServerError(400, "Only streaming is supported."),
        ServerError(400, "Streaming is required for operations that may take longer than 10 minutes"),
        ServerError(400, "Non-streaming requests are not supported"),
        ServerError(400, "The model does not support non-streaming requests"),
        ServerError(400, "parameter.enable_thinking must be set to false for non-streaming calls"),
        ServerError(400, "this endpoint requires stream=true"),
    ],
)
def test_an_endpoint_that_insists_on_a_stream_gets_one(error: ServerError) -> None:
    given_up = replace(FULL, stream=False)
    learnt = learn(given_up, error, WHOLE)
    assert learnt == replace(given_up, whole=False)
    assert learnt.streams is True
    assert given_up.lost(learnt) == "answers without streaming"


def test_there_is_no_going_back_and_forth() -> None:
    both = replace(FULL, stream=False, whole=False)
    assert both.streams
    assert learn(both, ServerError(400, "Streaming is not supported", param="stream"), STREAM) is None
    assert replace(FULL, stream=False).merged(replace(FULL, whole=False)) == both


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (ServerError(401, "streaming is not supported"), STREAM),
        (ServerError(503, "streaming is not supported"), STREAM),
        (ServerError(500, "upstream stream error: connection closed, please try again"), STREAM),
        (ServerError(500, "The stream was reset: service unavailable", param="stream"), STREAM),
        (ServerError(400, "The messages are malformed", type="invalid_request_error"), STREAM),
        # What the request did not carry cannot have been refused.
        (ServerError(400, "Streaming is not supported"), {"messages": []}),
        (ServerError(400, "Unknown parameter: 'stream_options'."), {"messages": [], "stream": True}),
        (ServerError(400, "Only streaming is supported."), {"messages": [], "stream": True}),
    ],
)
def test_other_refusals_teach_nothing_about_it(error: ServerError, body: dict[str, Any]) -> None:
    learnt = learn(FULL, error, body)
    assert learnt is None or (learnt.stream, learnt.whole, learnt.stream_usage) == (True, True, True)


def test_a_refusal_of_something_else_is_still_learnt_from_a_stream() -> None:
    error = ServerError(400, "This response_format type is unavailable now")
    assert learn(FULL, error, STREAM) == replace(FULL, output_form="json_object")
