# ruff: noqa: E501 - a shape a case
"""OpenAI, Azure, Google, Anthropic, xAI, Mistral, Cohere."""

from typing import Any

from tests.model.shapes.shape import LS, Shape, call, counts, delta, encoded, last, said, stream, whole

OPENAI = "https://api.openai.com/v1"
DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 64, "accepted_prediction_tokens": 0},
}
SAFE = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
SIGNED = {"google": {"thought_signature": "c2lnbmVk"}}


def openai(
    status: int, message: str, code: Any = None, kind: str = "invalid_request_error", param: Any = None
) -> bytes:
    return encoded({"error": {"message": message, "type": kind, "param": param, "code": code}})


def google(code: int, message: str, status: str, *details: Any) -> bytes:
    """Google's OpenAI path wraps its error into a list."""
    return encoded(
        [{"error": {"code": code, "message": message, "status": status, "details": list(details)}}]
    )


SHAPES = (
    # --- OpenAI
    Shape("OpenAI: whole, with details of usage", "platform.openai.com/docs/api-reference/chat/object",
          whole(said("Hi", refusal=None, annotations=[]), usage=counts(2048, 100, **DETAILS), service_tier="default", system_fingerprint="fp_1"),
          content="Hi", usage=(2048, 1024, 100, 64), price=("gpt-4o-mini", OPENAI, 0.0002904)),
    Shape("OpenAI: two calls at once, no words", "platform.openai.com/docs/guides/function-calling",
          whole(said(None, refusal=None, tool_calls=[call("call_a"), call("call_b", "read_file", '{"path": "x"}')]), "tool_calls", counts(50, 20)),
          calls=(("call_a", "bash", LS), ("call_b", "read_file", '{"path": "x"}')), finish="tool_calls", usage=(50, 0, 20, 0)),
    Shape("OpenAI: stream, usage null but for the last chunk", "platform.openai.com/docs/api-reference/chat/streaming",
          stream({**delta(role="assistant", content="", refusal=None), "usage": None, "obfuscation": "a1"}, {**delta(content="Hel"), "usage": None},
                 {**delta(content="lo"), "usage": None}, {**delta("stop"), "usage": None}, last(counts(9, 2))),
          streams=True, content="Hello", usage=(9, 0, 2, 0), price=("gpt-4o-mini", OPENAI, 0.00000255)),
    Shape("OpenAI: stream of a call in pieces", "platform.openai.com/docs/guides/function-calling",
          stream(delta(role="assistant", content=None, tool_calls=[call("call_a", "bash", "", index=0)]), delta(tool_calls=[call(None, None, '{"command"', index=0)]),
                 delta(tool_calls=[call(None, None, ': "ls"}', index=0)]), delta("tool_calls")),
          streams=True, calls=(("call_a", "bash", LS),), finish="tool_calls"),
    Shape("OpenAI: a refusal", "platform.openai.com/docs/guides/structured-outputs (refusals)",
          whole(said(None, refusal="I cannot help with that.")), content="I cannot help with that."),
    Shape("OpenAI: a refusal in a stream", "platform.openai.com/docs/guides/structured-outputs (refusals)",
          stream(delta(role="assistant", refusal=""), delta(refusal="I cannot "), delta(refusal="help."), delta("stop")), streams=True, content="I cannot help."),
    Shape("OpenAI: cut off at the limit", "platform.openai.com/docs/api-reference/chat/object", whole(said("Half a"), "length", counts(5, 16)),
          content="Half a", finish="length", usage=(5, 0, 16, 0)),
    Shape("OpenAI: a wrong key", "platform.openai.com/docs/guides/error-codes", openai(401, "Incorrect API key provided: sk-x***x.", "invalid_api_key"),
          status=401, kind="endpoint", says="Incorrect API key"),
    Shape("OpenAI: no money left", "platform.openai.com/docs/guides/error-codes",
          openai(429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"), status=429, kind="endpoint"),
    Shape("OpenAI: too fast", "platform.openai.com/docs/guides/rate-limits",
          openai(429, "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Please try again in 2s.", "rate_limit_exceeded", "tokens"),
          status=429, kind="rate", wait=2.0),
    Shape("OpenAI: too long", "platform.openai.com/docs/guides/error-codes",
          openai(400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.", "context_length_exceeded", param="messages"),
          status=400, kind="overflow"),
    Shape("OpenAI: max_tokens refused", "promptfoo #6153",
          openai(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "unsupported_parameter", param="max_tokens"),
          status=400, kind="request", says="max_completion_tokens"),
    Shape("OpenAI: an outage", "platform.openai.com/docs/guides/error-codes",
          openai(500, "The server had an error while processing your request.", None, "server_error"), status=500, kind="transient"),
    Shape("OpenAI: no such model", "platform.openai.com/docs/guides/error-codes",
          openai(404, "The model `gpt-9` does not exist or you do not have access to it.", "model_not_found"), status=404, kind="model"),
    # --- Azure
    Shape("Azure: results of its filter beside the answer", "learn.microsoft.com/azure/ai-services/openai/concepts/content-filter",
          whole(said("Hi"), usage=counts(7, 2), choice_content_filter_results=SAFE, prompt_filter_results=[{"prompt_index": 0, "content_filter_results": SAFE}]),
          content="Hi", usage=(7, 0, 2, 0)),
    Shape("Azure: filtered, null in every field", "BerriAI/litellm #8953",
          whole(said(None, refusal=None, audio=None, function_call=None, tool_calls=None), "content_filter", counts(12, 14)), finish="content_filter", usage=(12, 0, 14, 0)),
    Shape("Azure: filtered, no content at all", "langchain-ai/langchain #3861", whole({"role": "assistant"}, "content_filter", counts(12, 0)),
          finish="content_filter", usage=(12, 0, 0, 0)),
    Shape("Azure: filtered, no message", "learn.microsoft.com/azure/ai-services/openai/concepts/content-filter",
          encoded({"choices": [{"index": 0, "finish_reason": "content_filter", "content_filter_results": SAFE}], "usage": counts(12, 3)}), finish="content_filter", usage=(12, 0, 3, 0)),
    Shape("Azure: a stream that begins without choices", "learn.microsoft.com/azure/ai-services/openai/concepts/content-streaming",
          stream({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]}, delta(role="assistant", content=""),
                 delta(content="Hi", choice={"content_filter_results": SAFE}), delta("stop")), streams=True, content="Hi"),
    Shape("Azure: a stream that the filter ends", "microsoft/semantic-kernel #5289", stream(delta(role="assistant", content="I "), delta("content_filter")),
          streams=True, content="I ", finish="content_filter"),
    Shape("Azure: the prompt is refused", "Azure/azure-sdk-for-go #23936",
          encoded({"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "type": None, "param": "prompt",
                             "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SAFE}}}), status=400, kind="request"),
    Shape("Azure: the same inside a 200", "openai/openai-dotnet #55",
          encoded({"error": {"message": "The response was filtered.", "type": None, "param": "prompt", "code": "content_filter", "status": 400}}), kind="request"),
    Shape("Azure: too fast, the wait in words", "learn.microsoft.com/azure/ai-services/openai/quotas-limits",
          encoded({"error": {"code": "429", "message": "Requests to the ChatCompletions_Create Operation have exceeded token rate limit. Please retry after 7 seconds."}}),
          status=429, kind="rate", wait=7.0),
    # --- Google's OpenAI path
    Shape("Gemini: a call with its signature", "openai-python #2758",
          whole(said(None, tool_calls=[call("function-call-1", extra_content=SIGNED)]), "tool_calls", counts(30, 8)), calls=(("function-call-1", "bash", LS),),
          finish="tool_calls", usage=(30, 0, 8, 0), carried=("extra_content",)),
    Shape("Gemini: streamed calls, all with index 0, `stop` at the end", "su-kaka/gcli2api #406, googleapis/python-genai #2868",
          stream(delta(role="assistant", tool_calls=[call("f1", index=0, extra_content=SIGNED)]), delta(tool_calls=[call("f2", "read_file", '{"path": "x"}', index=0)]), delta("stop")),
          streams=True, calls=(("f1", "bash", LS), ("f2", "read_file", '{"path": "x"}')), carried=("extra_content",)),
    Shape("Gemini: streamed calls without index, ids empty", "openai-python #2806",
          stream(delta(role="assistant", tool_calls=[call("", index=None)]), delta(tool_calls=[call("", "read_file", '{"path": "x"}')]), delta("stop")),
          streams=True, calls=((None, "bash", LS), (None, "read_file", '{"path": "x"}'))),
    Shape("Gemini: its own word for a filter, no message", "HKUDS/Vibe-Trading #308",
          encoded({"choices": [{"index": 0, "finish_reason": "PROHIBITED_CONTENT"}], "usage": {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}}),
          finish="content_filter", usage=(9, 0, 0, 0)),
    Shape("Gemini: thoughts only in the total", "ai.google.dev/gemini-api/docs/openai",
          whole(said("Hi"), usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115}), content="Hi", usage=(10, 0, 105, 0)),
    Shape("Gemini: the prompt is blocked, no choices", "vercel/ai #19758",
          encoded({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "choices": [], "usage": counts(13, 0)}), finish="content_filter", usage=(13, 0, 0, 0)),
    Shape("Gemini: the prompt is blocked, in a stream", "vercel/ai #19758",
          stream({"promptFeedback": {"blockReason": "SAFETY"}, "usage": counts(13, 0)}, done=False), streams=True, finish="content_filter", usage=(13, 0, 0, 0)),
    Shape("Gemini: a text with a signature", "ai.google.dev/gemini-api/docs/thought-signatures", whole(said("Hi", extra_content=SIGNED)), content="Hi", carried=("extra_content",)),
    Shape("Gemini: a call without its signature", "manthanabc/paws #103",
          google(400, "Function call is missing a thought_signature in functionCall parts.", "INVALID_ARGUMENT"), status=400, kind="request", says="thought_signature"),
    Shape("Gemini: the minute's limit", "RooCodeInc/Roo-Code #3883",
          google(429, "You exceeded your current quota, please check your plan and billing details.", "RESOURCE_EXHAUSTED",
                 {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateContentInputTokensPerModelPerMinute-FreeTier"}]},
                 {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}), status=429, kind="rate", wait=7.0),
    Shape("Gemini: a wrong key", "ai.google.dev/gemini-api/docs/troubleshooting",
          google(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}), status=400, kind="endpoint"),
    Shape("Gemini: an outage", "ai.google.dev/gemini-api/docs/troubleshooting", google(503, "The model is overloaded. Please try again later.", "UNAVAILABLE"), status=503, kind="transient"),
    # --- Anthropic's compatible endpoint
    Shape("Anthropic: whole", "docs.anthropic.com/en/api/openai-sdk", whole(said("Hi"), usage=counts(14, 4)), content="Hi", usage=(14, 0, 4, 0)),
    Shape("Anthropic: streamed calls beside words", "docs.anthropic.com/en/api/openai-sdk",
          stream(delta(role="assistant", content="I look."), delta(tool_calls=[call("toolu_01A", "bash", "", index=0)]), delta(tool_calls=[call(None, None, LS, index=0)]), delta("tool_calls")),
          streams=True, content="I look.", calls=(("toolu_01A", "bash", LS),), finish="tool_calls"),
    Shape("Anthropic: its own stop reason through a gateway", "docs.anthropic.com/en/api/handling-stop-reasons", whole(said("Half a"), "max_tokens"), content="Half a", finish="length"),
    Shape("Anthropic: overloaded", "docs.anthropic.com/en/api/errors", encoded({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), status=529, kind="transient"),
    Shape("Anthropic: overloaded, in the middle of a stream", "docs.anthropic.com/en/api/errors",
          stream(delta(content="Hel"), 'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', done=False), streams=True, kind="transient"),
    Shape("Anthropic: no money left", "docs.anthropic.com/en/api/errors",
          encoded({"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the Anthropic API."}}), status=400, kind="endpoint"),
    Shape("Anthropic: an empty text", "anthropics/claude-code #59812",
          encoded({"type": "error", "error": {"type": "invalid_request_error", "message": "messages: text content blocks must be non-empty"}}), status=400, kind="request"),
    Shape("Anthropic: too long", "docs.anthropic.com/en/api/errors",
          encoded({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}}), status=400, kind="overflow"),
    # --- xAI
    Shape("xAI: reasoning beside the completion's tokens", "Wei-Shaw/sub2api #5771",
          whole(said("Hi", refusal=None), usage={"prompt_tokens": 10120, "completion_tokens": 1499, "total_tokens": 14428, "prompt_tokens_details": {"text_tokens": 10120, "cached_tokens": 128},
                                                 "completion_tokens_details": {"reasoning_tokens": 2809}, "num_sources_used": 0}), content="Hi", usage=(10120, 128, 4308, 2809)),
    Shape("xAI: usage before the last chunk, which is empty", "BerriAI/litellm #17136",
          stream(delta(role="assistant", content="Hi"), {**delta("stop"), "usage": counts(20, 3)}, {"id": "x1", "choices": []}), streams=True, content="Hi", usage=(20, 0, 3, 0)),
    Shape("xAI: a flat error, the words under `error`", "docs.x.ai/docs/api-reference (errors)",
          encoded({"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***k. You can obtain an API key from https://console.x.ai."}), status=400, kind="endpoint"),
    Shape("xAI: a prompt that is refused", "docs.x.ai/docs/api-reference (errors)",
          encoded({"code": "The caller does not have permission to execute the specified operation", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}),
          status=403, kind="request"),
    # --- Mistral
    Shape("Mistral: thoughts as parts of the content", "docs.mistral.ai/capabilities/reasoning",
          whole(said([{"type": "thinking", "thinking": [{"type": "text", "text": "Well."}]}, {"type": "text", "text": "Hi"}]), usage=counts(10, 5)),
          content="Hi", reasoning="Well.", usage=(10, 0, 5, 0)),
    Shape("Mistral: streamed calls in one piece, usage beside them", "docs.mistral.ai/capabilities/function_calling",
          stream(delta(role="assistant", content=""), {**delta("tool_calls", tool_calls=[call("AbC123xyz", index=0)]), "usage": counts(80, 20)}),
          streams=True, calls=(("AbC123xyz", "bash", LS),), finish="tool_calls", usage=(80, 0, 20, 0)),
    Shape("Mistral: the window is full", "laravel/ai #955", whole(said("Half a"), "model_length"), content="Half a", finish="length"),
    Shape("Mistral: a field that it does not know", "charmbracelet/crush #1590",
          encoded({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "messages", 2, "assistant", "reasoning_content"], "msg": "Extra inputs are not permitted"}]},
                   "type": "invalid_request_error", "param": None, "code": None}), status=422, kind="request", says="reasoning_content"),
    Shape("Mistral: a user after a tool", "zed-industries/zed #37021",
          encoded({"object": "error", "message": "Unexpected role 'user' after role 'tool'", "type": "invalid_request_message_order", "param": None, "code": "3230"}), status=400, kind="request"),
    Shape("Mistral: no capacity", "docs.mistral.ai (errors)",
          encoded({"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "service_tier_capacity_exceeded", "param": None, "code": "3505"}), status=429, kind="rate"),
    # --- Cohere
    Shape("Cohere: whole", "docs.cohere.com/docs/compatibility-api", whole(said("Hi"), "COMPLETE", counts(4, 2)), content="Hi", usage=(4, 0, 2, 0)),
    Shape("Cohere: a prompt that is refused", "cohere-ai/cohere-developer-experience #189", encoded({"message": "request blocked due to a violation of the usage guidelines"}), status=498, kind="request"),
)  # fmt: skip
