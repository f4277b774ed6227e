"""What refusals of real providers mean, by their own shapes."""

import json
from typing import Any

import pytest

from agentbatch.model.answer.answer import with_own_status
from agentbatch.model.failures.failure import http_failure, refused
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.refusals.meanings import MEANINGS
from agentbatch.model.refusals.server_error import error_in
from agentbatch.model.reply import ErrorKind


def kind(status: int, document: Any) -> ErrorKind:
    if status == 200:
        error = error_in(200, document)
        assert error is not None
        return refused(with_own_status(error), 0.0).kind
    return http_failure(HttpAnswer(status, {}, json.dumps(document).encode()), 0.0).kind


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


QUOTA = "You exceeded your current quota, please check your plan and billing details."

ECHOED: dict[str, Any] = {
    "messages": [{"role": "tool", "content": json.dumps({"code": "model_not_found", "retryDelay": "3h"})}]
}
"""A request with what a coder has read from its own file."""


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        # An empty account is what says so by code.
        (429, said(QUOTA, type="insufficient_quota", code="insufficient_quota"), "endpoint"),
        (429, said(QUOTA, type="insufficient_quota", code=None), "endpoint"),
        (429, {"error": "insufficient_quota", "message": QUOTA}, "endpoint"),
        (400, said("Billing hard limit has been reached", code="billing_hard_limit_reached"), "endpoint"),
        (402, said("Insufficient Balance", type="unknown_error"), "endpoint"),
        (402, said("This request requires more credits, or fewer max_tokens.", code=402), "endpoint"),
        (429, said("Your account is suspended", type="exceeded_current_quota_error"), "endpoint"),
        (400, {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."},
         "endpoint"),
        (429, said("余额不足或无可用资源包,请充值。", code="1113"), "endpoint"),
        (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}, "endpoint"),
        (200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}, "message": "x"}, "endpoint"),
        (403, said("The account has an overdue balance", code="AccountOverdueError"), "endpoint"),
        (400, said("Your credit balance is too low to access the API.", type="invalid_request_error"), "endpoint"),
        (400, said("Budget has been exceeded! Current cost: 1.2", type="budget_exceeded"), "endpoint"),
        (403, said("Your team has either used all available credits or reached its monthly spending limit."),
         "endpoint"),
        (429, said("Quota exceeded for metric: x, limit: 0, model: gemini-2.5-pro", code=429), "endpoint"),
        (403, {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "not enough balance"}, "endpoint"),
        (403, said("Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys", code=403),
         "endpoint"),
        (429, said("Your account has reached the set inference limit", code="SetLimitExceeded", type="TooManyRequests"),
         "endpoint"),
        # The same words without that code, or with another's, are a limit that is over in a moment.
        (429, said(QUOTA, code=429, status="RESOURCE_EXHAUSTED"), "rate"),
        (429, [said(QUOTA, code=429, status="RESOURCE_EXHAUSTED")], "rate"),
        (429, said(QUOTA + " See help.aliyun.com/x/error-code#token-limit", code="insufficient_quota"), "rate"),
        (429, said("Quota exceeded for metric: x, limit: 15, model: gemini-2.5-pro", code=429), "rate"),
        (400, {"__type": "ThrottlingException", "code": "ThrottlingException", "message": "Too many tokens"}, "rate"),
        (200, said("Rate limit exceeded: free-models-per-day", code=429), "quota"),
        (403, said("slow down", code="rate_limit_exceeded"), "rate"),
        # One request, not the key.
        (403, said("Your input was flagged", code=403, metadata={"reasons": ["violence"], "flagged_input": "x"}),
         "request"),
        (403, said("openai/gpt-4o requires moderation on OpenRouter. Your input was flagged for \"sexual\".", code=403),
         "request"),
        (403, {"code": "The caller does not have permission to execute the specified operation",
               "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_X"}, "request"),
        (400, said("Content Exists Risk", type="invalid_request_error"), "request"),
        (400, said("filtered", code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), "request"),
        (400, {"code": "data_inspection_failed", "message": "Input may contain inappropriate content."}, "request"),
        (400, said("系统检测到输入或生成内容可能包含不安全或敏感内容", code="1301"), "request"),
        (400, said("Invalid prompt: your prompt was flagged", code="invalid_prompt"), "request"),
        # The key.
        (401, said("User not found."), "endpoint"),
        (403, said("Country, region, or territory not supported", code="unsupported_country_region_territory"),
         "endpoint"),
        (400, [said("API key not valid. Please pass a valid API key.", code=400, status="INVALID_ARGUMENT",
                    details=[{"reason": "API_KEY_INVALID"}])], "endpoint"),
        (400, [said("User location is not supported for the API use.", code=400, status="FAILED_PRECONDITION")],
         "endpoint"),
        # Nobody knows whose fault it is.
        (403, {}, "denied"),
        (403, said("Forbidden"), "denied"),
        (403, said("Forbidden.", type="permission_error", code="forbidden"), "denied"),
        (403, said("Your API key does not have permission to use the specified resource", type="permission_error"),
         "denied"),
        (403, said("<html>blocked</html>"), "denied"),
        (404, {"detail": "Not Found"}, "denied"),
        (404, said("404 page not found"), "denied"),
        # No such model.
        (404, said("no", code="model_not_found"), "model"),
        (404, said("The model `x` does not exist or you do not have access to it.", code="model_not_found"), "model"),
        (404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
         "model"),
        (404, said('model "qwen9" not found, try pulling it first', type="api_error"), "model"),
        (404, {"error": "model 'qwen9' not found"}, "model"),
        (400, said("Model Not Exist", type="invalid_request_error"), "model"),
        (400, said("gpt-9 is not a valid model ID", code=400), "model"),
        (404, said("No endpoints found for openai/gpt-9.", code=404), "model"),
        (404, said("The API deployment for this resource does not exist.", code="DeploymentNotFound"), "model"),
        (404, [said("models/gemini-9 is not found for API version v1main", code=404, status="NOT_FOUND")], "model"),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}, "model"),
        (404, said("Not found the model kimi-9 or Permission denied", type="resource_not_found_error"), "model"),
        (400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, "model"),
        (400, said("模型不存在，请检查模型代码。", code="1211"), "model"),
        (400, said("/chat/completions: Invalid model name passed in model=x. Call `/v1/models`", code="400"), "model"),
        (400, {"message": "The provided model identifier is invalid."}, "model"),
        (404, said("Your account has not activated the model y.", code="ModelNotOpen", type="NotFound"), "model"),
        (403, said("The model `x` is blocked at the project level.", code="model_permission_blocked_project"), "model"),
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Endpoint with name 'x' does not exist"}, "model"),
        (400, {"message": "Invocation of model ID x with on-demand throughput isn\u2019t supported."}, "model"),
        # What repeats the request says nothing: a coder may have written it.
        (422, {"detail": [{"type": "missing", "loc": ["body"], "msg": "Field required", "input": ECHOED}]}, "request"),
        (422, {"detail": [{"msg": "Field required", "input": "The model `x` does not exist"}]}, "request"),
        (400, {"error": {"message": json.dumps({"error": {"message": "bad", "request": ECHOED}})}}, "request"),
        (429, {"error": {"message": "slow down", "request_body": ECHOED}}, "rate"),
        (400, said("bad", failed_generation=ECHOED["messages"][0]["content"]), "malformed"),
        (404, said("No endpoints found that support tool use.", code=404), "request"),
        # What the endpoint's own model wrote and the endpoint could not read.
        (400, said("Failed to call a function.", type="invalid_request_error", code="tool_use_failed",
                   failed_generation="<function=read>"), "malformed"),
        (400, said("Failed to generate JSON.", code="json_validate_failed", failed_generation="{"), "malformed"),
        (200, said("Parsing failed.", code="output_parse_failed"), "malformed"),
        (400, said("upstream", failed_generation="<function=read>"), "malformed"),
        # The rest speaks by its status.
        (400, said("bad tool schema"), "request"),
        (422, {"detail": [{"msg": "field required"}]}, "request"),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "transient"),
        (500, said("boom"), "transient"),
    ],
)  # fmt: skip
def test_what_a_refusal_means(status: int, document: Any, expected: ErrorKind) -> None:
    assert kind(status, document) == expected


def test_every_entry_says_where_it_was_seen_and_what_it_is_known_by() -> None:
    assert all(entry.source and (entry.codes or entry.words or entry.field) for entry in MEANINGS)
    assert all(code == code.lower() for entry in MEANINGS for code in entry.codes)


@pytest.mark.parametrize(
    "document", [None, [], [[[]]], "x", {"error": []}, {"error": {"details": [[["x"] * 9] * 9] * 9}}]
)
def test_a_hostile_document_has_some_kind(document: Any) -> None:
    assert kind(400, document) == "request"


def test_a_document_of_any_depth_and_size_is_read() -> None:
    deep = '{"error": {"message": "no", "details": ' + "[" * 5_000 + "]" * 5_000 + "}}"
    wide = json.dumps(said("no", details=[{"reason": f"r{n}"} for n in range(20_000)]))
    nested = "insufficient_quota"
    for _ in range(3):
        nested = json.dumps({"error": {"message": nested, "code": nested if len(nested) < 20 else "x"}})
    for text in (deep, wide):
        assert http_failure(HttpAnswer(400, {}, text.encode()), 0.0).kind == "request"
    assert http_failure(HttpAnswer(429, {}, nested.encode()), 0.0).kind == "endpoint"
