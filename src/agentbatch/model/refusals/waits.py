"""How long a refusal asks us to wait: in headers, in fields of its document, in its words. Tables, each entry with
where it was seen; pure: time is an argument."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from typing import NamedTuple

from agentbatch.model.refusals.fields import Field, plain
from agentbatch.model.refusals.moments import (
    DURATION,
    http_date,
    next_midnight,
    number,
    read_duration,
    read_moment,
    read_reset,
    wait_until,
)
from agentbatch.patterns import regex

MAX_RETRY_AFTER = 86_400.0
"""Seconds. A bare Retry-After of more than a day is mistaken (often milliseconds in place of seconds): it is ignored.
What names a quota's reset may be longer."""

MAX_WORDS = 4_000
"""Characters of an error's words that are searched."""

BEIJING = timezone(timedelta(hours=8))
PACIFIC = timezone(timedelta(hours=-8))


def asked_wait(headers: Mapping[str, str], fields: Iterable[Field], words: str, now: float) -> float | None:
    """Seconds that a refusal asks us to wait; None when it does not say. `headers`: a name in lower case finds it.
    `now`: seconds since the epoch; the answer's own Date header is preferred, so that a wrong clock does no harm.

    A quota that is over for the day comes first: the seconds beside it are of another limit. Then Retry-After, which is
    meant for us; then the document's fields, its words, and last the limits' own headers.
    """
    fields = tuple(fields)
    sent = http_date(headers.get("date"))
    now = now if sent is None else sent
    places: tuple[Callable[[], float | None], ...] = (
        lambda: _daily(fields, now),
        lambda: _daily_in_words(words, now, DAILY_WORDS),
        lambda: retry_after(headers, now),
        lambda: _in_fields(fields, now),
        lambda: wait_in_words(words, now, _zone(fields)),
        lambda: _in_reset_headers(headers, words, now),
        lambda: _daily_in_words(words, now, DAILY_WITHOUT_RESET),
    )
    return next((wait for place in places if (wait := place()) is not None), None)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, of `retry-after-ms`, else of `retry-after` as seconds, as a duration or as an HTTP date (RFC 9110, in
    its three forms)."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):  # OpenAI and Azure; Azure's storage and search
        millis = number(headers.get(name))
        if millis is not None:
            return _plausible(millis / 1000)
    value = headers.get("retry-after", "")
    seconds = number(value)
    if seconds is not None:
        return _plausible(seconds)
    wait = wait_until(read_moment(value), now)
    return _plausible(read_duration(value) if wait is None else wait)


def _plausible(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= MAX_RETRY_AFTER else None


# --- fields of the document

Read = Callable[[str, float], float | None]
"""A value and the time now, to seconds."""


def _seconds(value: str, now: float) -> float | None:
    return read_duration(value)


def _millis(value: str, now: float) -> float | None:
    millis = number(value)
    return read_duration(value) if millis is None else read_duration(str(millis / 1000))


def _moment(value: str, now: float) -> float | None:
    return wait_until(read_moment(value), now)


class WaitField(NamedTuple):
    name: str
    read: Read
    source: str


WAIT_FIELDS = (
    WaitField("retryDelay", _seconds, "Google's RetryInfo, '26s': RooCodeInc/Roo-Code#3883"),
    WaitField("quotaResetTimeStamp", _moment, "Google's ErrorInfo: google-gemini/gemini-cli#29429"),
    WaitField("quotaResetDelay", _seconds, "Google's ErrorInfo, '373.8ms': router-for-me/CLIProxyAPI#449"),
    WaitField("resets_in_seconds", _seconds, "ChatGPT plans: earendil-works/pi#4172"),
    WaitField("resets_at", _moment, "ChatGPT plans, epoch seconds: earendil-works/pi#4172"),
    WaitField("resetsAt", _moment, "Anthropic's plans, epoch seconds: anthropics/claude-code#92418"),
    WaitField("next_flush_time", _moment, "Z.ai's name for its reset: NousResearch/hermes-agent#103038"),
    WaitField("retry_after_ms", _millis, "gateways: the header's name in a document"),
    WaitField("retry_after", read_reset, "Cloudflare's 1015, LiteLLM, Discord-like gateways: seconds"),
    WaitField("retry_after_seconds", _seconds, "OpenRouter's metadata"),
    WaitField(
        "X-RateLimit-Reset", read_reset, "OpenRouter's metadata.headers, milliseconds: Gitlawb/openclaude#936"
    ),
    WaitField("estimated_time", _seconds, "Hugging Face's 503 'Model x is currently loading': seconds"),
    WaitField("X-Codex-Primary-Reset-After-Seconds", _seconds, "ChatGPT plans: earendil-works/pi#4172"),
)
"""In this order: the first that is there and can be read counts, the longest of several of its name."""

DAILY_FIELDS = ("quotaId", "quota_limit")
"""Names of a Google limit: `GenerateRequestsPerDayPerProjectPerModel-FreeTier`, `Gemini25ProRequestsPerDay`
(google-gemini/gemini-cli#10925). The retryDelay beside it is not its reset, which is at midnight Pacific time
(gke-labs/gemini-for-kubernetes-development#1215, google-gemini/gemini-cli#2981)."""

BEIJING_CODES = frozenset({"1308", "1310", *(str(code) for code in range(1316, 1322))})
"""Z.ai's and Zhipu's codes whose words name a reset in Beijing time, without a zone: hugalafutro/model-hotel#955."""


def _in_fields(fields: tuple[Field, ...], now: float) -> float | None:
    for entry in WAIT_FIELDS:
        name = plain(entry.name)
        waits = [entry.read(field.value, now) for field in fields if field.name == name]
        if known := [wait for wait in waits if wait is not None]:
            return max(known)
    return None


def _daily(fields: tuple[Field, ...], now: float) -> float | None:
    names = {plain(name) for name in DAILY_FIELDS}
    if not any(field.name in names and "perday" in field.value.lower() for field in fields):
        return None
    if any(field.name == plain("quotaResetTimeStamp") for field in fields):
        return None
    return next_midnight(now, "America/Los_Angeles", PACIFIC) - now


class DailyWords(NamedTuple):
    pattern: re.Pattern[str]
    """Of words in lower case."""
    zone: str
    fallback: timezone
    source: str


DAILY_WORDS = (
    DailyWords(
        regex(r"used up your daily free allocation"),
        "UTC",
        UTC,
        "Cloudflare's 3036, at midnight UTC (developers.cloudflare.com/workers-ai/platform/pricing)",
    ),
    DailyWords(
        regex(r"exceeded today's quota\b.{0,100}try again tomorrow"),
        "Asia/Shanghai",
        BEIJING,
        "ModelScope (modelscope.cn/docs/model-service/API-Inference/limits)",
    ),
)


DAILY_WITHOUT_RESET = (
    DailyWords(
        regex(r"free-models-per-day"),
        "UTC",
        UTC,
        "OpenRouter's `-high-balance`: Gitlawb/openclaude#1549; its X-RateLimit-Reset, where there is one, is midnight",
    ),
)
"""Where nothing else says until when."""


def _daily_in_words(words: str, now: float, entries: tuple[DailyWords, ...]) -> float | None:
    text = words[:MAX_WORDS].lower()
    day = next((entry for entry in entries if entry.pattern.search(text)), None)
    return None if day is None else next_midnight(now, day.zone, day.fallback) - now


class Window(NamedTuple):
    pattern: re.Pattern[str]
    """Of words in lower case."""
    look: float
    """Seconds until it is worth another call."""
    source: str


OF_AN_HOUR, LONGER = 900.0, 7_200.0

WINDOWS = (
    Window(regex(r"\bhourly usage limit"), OF_AN_HOUR, "Ollama's cloud: continuedev/continue#9233"),
    Window(
        regex(r"\b(?:session|daily|weekly|monthly)(?: \([\w -]{1,20}\))? usage limit"),
        LONGER,
        "Ollama's cloud: continuedev/continue#11444, diegosouzapw/OmniRoute#3709; Kimi's plans, 'weekly (7-day)': "
        "openclaw/openclaw#142656",
    ),
    Window(regex(r"\btoo many tokens per day"), LONGER, "Bedrock: minorun365/agent-book#29"),
    Window(
        regex(r"\b(?:tokens|requests) per hour limit exceeded"), OF_AN_HOUR, "Cerebras, without its headers"
    ),
    Window(regex(r"\b(?:tokens|requests) per day limit exceeded"), LONGER, "Cerebras, without its headers"),
)


def next_look(words: str) -> float | None:
    """Seconds until it is worth another call, where a quota of an hour or more is used up and nothing says until when;
    None: it is no such quota."""
    text = words[:MAX_WORDS].lower()
    return next((window.look for window in WINDOWS if window.pattern.search(text)), None)


def _zone(fields: tuple[Field, ...]) -> tzinfo:
    return BEIJING if any(f.name == "code" and f.value in BEIJING_CODES for f in fields) else UTC


# --- words


class WaitWords(NamedTuple):
    pattern: re.Pattern[str]
    """Of words in lower case; its group is a duration, or, with `moment`, a point in time."""
    moment: bool
    source: str


def _for(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("DURATION", f"({DURATION})"))


_DATE = r"(\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:z|\s?[+-]\d\d:?\d\d)?)"

WAIT_WORDS = (
    WaitWords(
        regex(rf"\breset(?:s|ting)?(?: \w+)? (?:at|on):? {_DATE}"),
        True,
        "Z.ai 'Your limit will reset at 2026-09-04 19:01:25': NousResearch/hermes-agent#103038; "
        "Volcengine with '+0800 CST'",
    ),
    WaitWords(
        regex(rf"(?:将在|将于|会在)\s?{_DATE}\s?(?:重置|恢复|刷新)"),
        True,
        "Zhipu, in Chinese: dirge-code/dirge#818",
    ),
    WaitWords(
        regex(r"usage limit reached\|(\d{10,13})\b"),
        True,
        "Anthropic's plans through gateways, epoch seconds behind a bar: anthropics/claude-code#5977",
    ),
    WaitWords(
        _for(r"\b(?:try|retry)(?: \w+){0,2}? (?:in|after)(?: about| ~)? ?DURATION"),
        False,
        "OpenAI 'Please try again in 6ms'; Groq 'in 9m38.016s': continuedev/continue#10920; Google 'Please retry in "
        "30.6s': dyad-sh/dyad#1469; Azure 'Please retry after 7 seconds'; Codex 'in 5 days 22 hours 11 minutes': "
        "openai/codex#3899",
    ),
    WaitWords(
        _for(r"\breset(?:s|ting)? (?:in|after)(?: about| ~)? ?DURATION"),
        False,
        "Google 'Your quota will reset after 3h20m10s': router-for-me/CLIProxyAPI#449",
    ),
    WaitWords(
        _for(
            r"\b(?:please )?wait(?: for)?(?: about| another)? DURATION(?: (?:before|and|to|until)\b|[.,!]|$)"
        ),
        False,
        "GitHub Models 'Please wait 21600 seconds before retrying'",
    ),
    WaitWords(
        _for(r"\bretry_?delay\W{1,10}DURATION"),
        False,
        "LiteLLM 'VertexAIException - {…}': Google's document in the middle of its own words: Aider-AI/aider#1923",
    ),
    WaitWords(_for(r"\b(?:available|back|renews?|refreshes)(?: again)? in DURATION"), False, "gateways"),
)


def wait_in_words(words: str, now: float, zone: tzinfo = UTC) -> float | None:
    """Seconds that an error's words name."""
    text = " ".join(words[:MAX_WORDS].lower().split())
    for entry in WAIT_WORDS:
        for found in entry.pattern.finditer(text):
            moment = read_moment(found[1].upper(), zone) if entry.moment else None
            wait = wait_until(moment, now) if entry.moment else read_duration(found[1])
            if wait is not None:
                return wait
    return None


# --- headers of limits


class ResetHeader(NamedTuple):
    reset: re.Pattern[str]
    """Its first group, if any, names the limit."""
    remaining: str
    """The header of what is left of the same limit; `{}`: the limit's name."""
    source: str


RESET_HEADERS = (
    ResetHeader(
        regex(r"x-ratelimit-reset-(.{1,40})$"),
        "x-ratelimit-remaining-{}",
        "OpenAI, Groq '6m0s', Azure, Cerebras (`-requests-day`, seconds), SambaNova (epoch)",
    ),
    ResetHeader(
        regex(r"anthropic-ratelimit-(.{1,40})-reset$"),
        "anthropic-ratelimit-{}-remaining",
        "Anthropic: RFC 3339, its plans' `unified` epoch seconds",
    ),
    ResetHeader(
        regex(r"x-ratelimit-reset()$"),
        "x-ratelimit-remaining",
        "OpenRouter (ms), Together (s), GitHub (epoch)",
    ),
    ResetHeader(regex(r"ratelimit-reset()$"), "ratelimit-remaining", "IETF's draft: seconds"),
    ResetHeader(regex(r"x-ratelimit-timeremaining()$"), "x-ratelimit-remaining", "GitHub Models: seconds"),
    ResetHeader(
        regex(r"x-codex-primary-reset-after-seconds()$"), "", "ChatGPT plans: earendil-works/pi#4172"
    ),
)


_OF_A_DAY = regex(r"\b(per|a) day\b|\bdaily\b|\b[rt]pd\b")


def _in_reset_headers(headers: Mapping[str, str], words: str, now: float) -> float | None:
    """The longest of the limits that nothing is left of; of limits that say not what is left, the shortest. Where the
    words name a day's limit, the longest of a day: what is left of it was too little (Cerebras, `…-tokens-minute` at 0
    beside it)."""
    of_day: list[float] = []
    used_up: list[float] = []
    unknown: list[float] = []
    for name, value in list(headers.items())[:200]:
        for entry in RESET_HEADERS:
            found = entry.reset.match(name.lower())
            wait = read_reset(value, now) if found else None
            if found is None or wait is None:
                continue
            if found[1].endswith("-day"):
                of_day.append(wait)
            left = number(headers.get(entry.remaining.format(found[1])))
            if left is not None and left <= 0:
                used_up.append(wait)
            elif left is None:
                unknown.append(wait)
    if of_day and _OF_A_DAY.search(words[:MAX_WORDS].lower()):
        return max(of_day)
    return max(used_up) if used_up else min(unknown, default=None)
