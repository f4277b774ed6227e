# ruff: noqa: E501 - a body is one line, as it came
"""What endpoints say of answers that may not be as long as was asked. The wordings are those that output_caps.py names."""

from typing import Any

import pytest

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.refusals.lessons import learn
from agentbatch.model.refusals.server_error import read_error
from agentbatch.model.request.given_body import fitted

ASKED = {"model": "m", "messages": [{"role": "user", "content": "u"}], "max_tokens": 8000}


@pytest.mark.parametrize(
    ("status", "body", "cap"),
    [
        (400, '{"error":{"message":"max_tokens is too large: 8000. This model supports at most 4096 completion tokens, whereas you provided 8000.","type":"invalid_request_error","param":"max_tokens","code":"invalid_value"}}', 4096),
        (400, '{"error":{"message":"Param Incorrect","type":"upstream_error","param":"max_tokens is too large: 8000. This model supports at most 4096 completion tokens, whereas you provided 8000.","code":"400"}}', 4096),
        (400, '{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 8000 > 4096, which is the maximum allowed number of output tokens for claude-3-opus"}}', 4096),
        (400, '{"error":{"message":"{\\"type\\":\\"error\\",\\"error\\":{\\"type\\":\\"invalid_request_error\\",\\"message\\":\\"max_tokens: 8000 > 4096, which is the maximum allowed number of output tokens for claude-3-opus\\"}}. Received Model Group=x","type":"None","param":"None","code":"400"}}', 4096),
        (400, '{"error":{"message":"`max_tokens` must be less than or equal to `4096`, the maximum value for `max_tokens` is less than the `context_window` for this model","type":"invalid_request_error","param":"max_tokens"}}', 4096),
        (400, '{"error":{"message":"max_tokens for `llama-3.1-8b-instant` must be less than or equal to 4096","type":"invalid_request_error"}}', 4096),
        (400, '{"message":"too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received 8000."}', 4096),
        (422, '{"detail":[{"type":"less_than_equal","loc":["body","max_tokens"],"msg":"Input should be less than or equal to 4096","input":8000,"ctx":{"le":4096}}]}', 4096),
        (422, '{"error":"Input validation error: `max_new_tokens` must be <= 4096. Given: 8000","error_type":"validation"}', 4096),
        (400, '{"error":{"message":"Invalid max_tokens value, the valid range of max_tokens is [1, 4096]","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}', 4096),
        (400, '{"code":"InvalidParameter","message":"<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 4096]","request_id":"r"}', 4096),
        (400, '{"error":{"message":"max_tokens must be an integer between 1 and 4096 for model `m`."}}', 4096),
        (422, '{"detail":"max_tokens must be between 0 and 4096"}', 4096),
        (400, '{"error":{"code":"InvalidParameter","message":"The parameter max_tokens specified in the request is not valid: integer above maximum value, expected a value <= 4096, but got 8000 instead.","param":"max_tokens","type":"BadRequest"}}', 4096),
        (400, '{"error":{"message":"Invalid \'max_output_tokens\': integer above maximum value. Expected a value <= 4096, but got 8000 instead.","param":"max_output_tokens","code":"integer_above_max_value"}}', 4096),
        (400, '{"message":"The maximum tokens you requested exceeds the model limit of 4096"}', 4096),
        (400, '{"error":{"message":"The maximum tokens you requested exceed the model limit of 4096. Try again with a maximum tokens value lower than 4096."}}', 4096),
        (400, '[{"error":{"code":400,"message":"Unable to submit request because it has a maxOutputTokens value of 8000 but the supported range is from 1 (inclusive) to 4097 (exclusive). Update the value and try again.","status":"INVALID_ARGUMENT"}}]', 4096),
        (400, '{"error":{"message":"max_tokens (8000) exceeds model\'s maximum output tokens (4096)","type":"invalid_request_error"}}', 4096),
        (416, '{"error":"max_completion_tokens is limited for this model"}', 4000),
        (400, '{"error":{"code":"1214","message":"max_tokens参数非法。请检查文档。"}}', 4000),
        # A window that prompt and answer share.
        (400, '{"error":{"message":"max_tokens=8000 cannot be greater than max_model_len=max_total_tokens=4000. Please request fewer output tokens. (parameter=max_tokens, value=8000)","type":"BadRequestError"}}', 2000),
        (400, '{"error":{"message":"This model\'s maximum context length is 8192 tokens. However, you requested 8000 output tokens and your prompt contains at least 193 input tokens, for a total of at least 8193 tokens.","type":"BadRequestError","code":400}}', 4096),
        (400, '{"error":{"message":"This model\'s maximum context length is 8192 tokens. However, you requested 13000 tokens (5000 in the messages, 8000 in the completion). Please reduce the length of the messages or completion.","code":"context_length_exceeded"}}', None),
        (400, '{"error":{"message":"\'max_tokens\' or \'max_completion_tokens\' is too large: 8000. This model\'s maximum context length is 8100 tokens and your request has 140 input tokens (8000 > 8100 - 140).","code":400}}', 4050),
        (422, '{"error":{"message":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8100. Given: 140 `inputs` tokens and 8000 `max_new_tokens`"}}', 4050),
        (400, '{"code":20015,"message":"max_total_tokens (8100) must be less than or equal to max_seq_len (8092)","data":null}', 4046),
        (400, '{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum"}}', None),
        # What says nothing of a lower number.
        (400, '{"error":{"message":"max_tokens is too large"}}', None),
        (400, '{"error":{"message":"max_tokens must be at least 1, got -736. (parameter=max_tokens, value=-736)"}}', None),
        (400, '{"error":{"message":"`max_tokens` must be less than or equal to `9000`"}}', None),
        (422, '{"detail":[{"type":"greater_than_equal","loc":["body","max_tokens"],"msg":"Input should be greater than or equal to 0","ctx":{"ge":0}}]}', None),
    ],
)  # fmt: skip
def test_the_longest_answer_that_a_refusal_allows(status: int, body: str, cap: int | None) -> None:
    learnt = learn(Capabilities(), read_error(status, body.encode()), ASKED)
    assert (learnt.output_cap if learnt is not None else None) == cap


def test_without_a_number_the_half_is_tried_down_to_a_few_hundred() -> None:
    refusal = read_error(
        400, '{"error":{"code":"1214","message":"max_tokens参数非法。请检查文档。"}}'.encode()
    )
    known, caps = Capabilities(), []
    while (learnt := learn(known, refusal, fitted(dict(ASKED), known))) is not None:
        known = learnt
        caps.append(learnt.output_cap)
    assert caps == [4000, 2000, 1000, 500, 256]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_only_longer_answers_are_lowered(name: str) -> None:
    known = Capabilities(output_cap=4096)
    longer: dict[str, Any] = {"input": "u", name: 8000}
    assert fitted(longer, known) == {"input": "u", name: 4096}
    shorter = {"input": "u", name: 20}
    assert fitted(shorter, known) is shorter


def test_of_two_caps_the_lower_one_holds() -> None:
    low, high = Capabilities(output_cap=100), Capabilities(output_cap=200)
    assert low.merged(high) == high.merged(low) == low.merged(Capabilities()) == low
    assert Capabilities().lost(low) == "answers of more than 100 tokens"
