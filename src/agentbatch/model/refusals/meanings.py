"""What a refusal means for the next request: a table of codes, and of the few wordings that have none, each entry with
where it was seen. Pure."""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

Kind = Literal[
    "rate", "transient", "endpoint", "model", "denied", "malformed", "request", "overflow", "quota"
]
"""See `agentbatch.model.reply.ErrorKind`."""


class Meaning(NamedTuple):
    kind: Kind
    source: str
    statuses: frozenset[int] = frozenset()
    """Empty: whatever the status."""
    codes: frozenset[str] = frozenset()
    """In lower case: the error's code, type, status or reason, at any depth."""
    words: str = ""
    """A pattern of the error's words in lower case, for what has no code of its own."""
    field: str = ""
    """A field of the document that says it by being there, or by its value (`name=value`)."""


def _of(*names: str) -> frozenset[str]:
    return frozenset(names)


_429 = frozenset({429})
_REFUSALS = frozenset({200, 400, 403, 404, 422, 451, 500})

MEANINGS: tuple[Meaning, ...] = (
    # One request was at fault: the next one may be answered.
    Meaning(
        "request",
        "OpenRouter's moderation, 403 with the reasons beside it (openrouter.ai/docs: errors)",
        field="flaggedinput",
    ),
    Meaning(
        "request",
        "content refused by code: OpenAI content_policy_violation and invalid_prompt, Azure content_filter and "
        "ResponsibleAIPolicyViolation, DashScope data_inspection_failed, Zhipu 1301, MiniMax 1026 and 1027, "
        "Volcengine's sensitive content, Moonshot content_filter",
        _REFUSALS,
        _of(
            "content_policy_violation",
            "content_filter",
            "responsibleaipolicyviolation",
            "invalid_prompt",
            "moderation_blocked",
            "data_inspection_failed",
            "datainspectionfailed",
            "1301",
            "1026",
            "1027",
            "inputtextsensitivecontentdetected",
            "outputtextsensitivecontentdetected",
            "sensitivecontentdetected",
            "prompt_blocked",
            "content_blocked",
            "safety",
            "prohibited_content",
        ),
    ),
    Meaning(
        "request",
        "content refused in words: DeepSeek 'Content Exists Risk', xAI 'Content violates usage guidelines. Failed "
        "check: SAFETY_CHECK', OpenRouter 'requires moderation … was flagged for', Moonshot 'high risk'",
        _REFUSALS,
        words=r"content exists risk|content violates usage guidelines|failed check: safety|flagged for|flagged by|"
        r"requires moderation|was flagged as|rejected because it was considered high risk",
    ),
    Meaning(
        "malformed",
        "Groq could not read the call or JSON that its own model wrote: groq/groq-typescript#28, vercel/ai#6916",
        frozenset({200, 400, 422}),
        _of("tool_use_failed", "output_parse_failed", "json_validate_failed"),
    ),
    Meaning(
        "malformed",
        "the same, where a gateway dropped the code",
        frozenset({200, 400, 422}),
        field="failedgeneration",
    ),
    Meaning(
        "transient",
        "Groq's flex tier is full for a moment (console.groq.com/docs/errors); 498 is Cohere's refusal, too",
        frozenset({498}),
        words=r"capacity[ _]exceeded",
    ),
    # The account is empty: said by code.
    Meaning(
        "rate",
        "DashScope calls its limit of tokens a minute insufficient_quota "
        "(help.aliyun.com: model-studio/error-code#token-limit)",
        _429,
        _of("insufficient_quota"),
        r"token-limit|allocated quota exceeded",
    ),
    Meaning(
        "endpoint",
        "Google's limit of 0, 'limit: 0, model: x': the model is not part of the plan: "
        "google-gemini/deprecated-generative-ai-python#206",
        _429,
        words=r"\blimit: 0(?![\d.])",
    ),
    Meaning(
        "endpoint",
        "the same as a field: google-gemini/deprecated-generative-ai-python#206",
        _429,
        field="quotalimitvalue=0",
    ),
    Meaning(
        "endpoint",
        "no money, or a limit of it: OpenAI insufficient_quota and billing codes, Anthropic billing_error, Moonshot "
        "exceeded_current_quota_error, DashScope Arrearage, Volcengine AccountOverdueError, Zhipu 1113, SiliconFlow "
        "30001, MiniMax 1008, LiteLLM budget_exceeded, new-api's quotas, Novita NOT_ENOUGH_BALANCE, Volcengine "
        "SetLimitExceeded (a limit of the user's own)",
        frozenset({200, 400, 401, 402, 403, 429}),
        _of(
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "exceeded_current_quota_error",
            "arrearage",
            "accountoverdueerror",
            "1113",
            "30001",
            "1008",
            "insufficient_balance",
            "insufficient_credits",
            "insufficient_funds",
            "credit_limit_reached",
            "budget_exceeded",
            "insufficient_user_quota",
            "pre_consume_token_quota_failed",
            "quota_not_enough",
            "allocationquota.freetieronly",
            "payment_required",
            "not_enough_balance",
            "setlimitexceeded",
        ),
    ),
    Meaning(
        "endpoint",
        "no money, said in words alone: Anthropic 'Your credit balance is too low' (400), xAI 'used all available "
        "credits or reached its monthly spending limit' (403, 429), DeepSeek 'Insufficient Balance', OpenRouter 'Key "
        "limit exceeded (total limit)'",
        frozenset({200, 400, 403, 429}),
        words=r"credit balance is too low|used all available credits|reached its monthly spending limit|"
        r"^insufficient (account )?balance|account balance is insufficient|insufficient credits|^key limit exceeded",
    ),
    # Too much at once, or of a window; where it says until when, that decides.
    Meaning(
        "rate",
        "limits that do not come as a 429: AWS ThrottlingException (400), MiniMax 1002, Google RESOURCE_EXHAUSTED "
        "inside a 200, Zhipu 1302, 1303, 1305; ChatGPT usage_limit_reached",
        frozenset({200, 400, 403, 422, 500, 503}),
        _of(
            "rate_limit_exceeded",
            "rate_limit_error",
            "resource_exhausted",
            "usage_limit_reached",
            "throttlingexception",
            "throttling",
            "throttling.ratequota",
            "throttling.allocationquota",
            "too_many_requests",
            "1002",
            "1302",
            "1303",
            "1305",
            "1308",
            "1310",
        ),
    ),
    Meaning(
        "rate",
        "Kimi's plans, 403 with the code of a key that has ended: openclaw/openclaw#142656",
        frozenset({403}),
        _of("access_terminated_error"),
        r"usage limit",
    ),
    # The key.
    Meaning(
        "endpoint",
        "the key, the project or its country: OpenAI, Google API_KEY_INVALID, DashScope InvalidApiKey",
        frozenset({200, 400, 403}),
        _of(
            "invalid_api_key",
            "invalidapikey",
            "api_key_invalid",
            "incorrect_api_key",
            "api_key_service_blocked",
            "authentication_error",
            "access_terminated_error",
            "account_deactivated",
            "account_suspended",
            "consumer_suspended",
            "unsupported_country_region_territory",
            "organization_restricted",
            "service_disabled",
        ),
    ),
    Meaning(
        "endpoint",
        "the key or its country, said in words alone: gateways in front of OpenAI, Google's older form, Google 'User "
        "location is not supported for the API use.'",
        frozenset({400, 403}),
        words=r"api key not valid|incorrect api key|invalid api[ _-]key|api key (has )?expired"
        r"|(invalid|missing) (auth|token|credential)|user location is not supported",
    ),
    Meaning(
        "denied",
        "Anthropic's permission_error: the key may not use 'the specified resource', which one request may have named "
        "(docs.anthropic.com: errors)",
        frozenset({200, 400, 403}),
        _of("permission_error"),
    ),
    # The model.
    Meaning(
        "request",
        "OpenRouter's 404 for what a request asks of a model that it has: 'No endpoints found that support tool use'",
        frozenset({404}),
        words=r"no endpoints found that",
    ),
    Meaning(
        "model",
        "no such model, by code: OpenAI, Groq, Cerebras and DashScope model_not_found, Azure DeploymentNotFound, "
        "Together model_not_available, Mistral invalid_model, Volcengine InvalidEndpointOrModel.NotFound, "
        "GitHub unknown_model, Zhipu 1211, Moonshot resource_not_found_error, Volcengine ModelNotOpen, Groq's blocked "
        "models, Databricks RESOURCE_DOES_NOT_EXIST",
        frozenset({200, 400, 403, 404, 422}),
        _of(
            "model_not_found",
            "model_not_available",
            "deploymentnotfound",
            "invalid_model",
            "unknown_model",
            "invalidendpointormodel.notfound",
            "model_not_supported",
            "1211",
            "resource_not_found_error",
            "modelnotfound",
            "model_not_exist",
            "model.accessdenied",
            "modelnotopen",
            "model_permission_blocked_org",
            "model_permission_blocked_project",
            "resource_does_not_exist",
        ),
    ),
    Meaning(
        "model",
        "no such model, in words: Ollama and vLLM (404), DeepSeek 'Model Not Exist', OpenRouter 'is not a valid "
        "model ID' (400), Google 'models/x is not found', Anthropic's not_found_error 'model: x', NVIDIA, Fireworks; "
        "LiteLLM 'Invalid model name passed in model=x' (BerriAI/litellm#9663), Bedrock 'The provided model identifier "
        "is invalid' (iOfficeAI/AionCore#377), 'Invocation of model ID x with on-demand throughput isn't supported'",
        frozenset({400, 404, 422}),
        words=r"\bmodels?\b[^.]{0,120}(does not exist|doesn't exist|not exist|not found|isn't available"
        r"|is not available)"
        r"|not a valid model|no such model|unknown model|unrecognized model|^model: \S+\s+not_found|not found the model"
        r"|invalid model name passed|model identifier is invalid|with on-demand throughput isn.t supported"
        r"|no endpoints found (for|matching)|function '[^']{1,80}': not found",
    ),
)


def meaning_of(status: int, codes: Iterable[str], words: str, names: Iterable[str]) -> Kind | None:
    """What the first entry that fits says; None: the status has to speak for itself. `codes` and `words` in lower case;
    `names`: of the document's fields, and `name=value` of each."""
    known, there = frozenset(codes), frozenset(names)
    for entry in MEANINGS:
        if entry.statuses and status not in entry.statuses:
            continue
        if entry.field and entry.field not in there:
            continue
        if entry.codes and known.isdisjoint(entry.codes):
            continue
        if entry.words and not re.search(entry.words, words):
            continue
        return entry.kind
    return None
