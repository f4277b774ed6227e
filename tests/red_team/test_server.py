"""By an endpoint: a server, or a proxy on the way, that answers to its own good when it is asked how long to wait."""

import math
from itertools import product

import pytest

from agentbatch.model.refusals.fields import Field, plain
from agentbatch.model.refusals.moments import MAX_WAIT
from agentbatch.model.refusals.waits import WAIT_FIELDS, asked_wait

NOW = 1_790_000_000.0

VALUES = (
    *("nan", "inf", "-inf", "-1", "-0", "1e12", "1e308", "9" * 400, "1e400", "0x10", "١٢", "1_0", "\0", "\ud800"),
    *("Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"),
    *("Tue, 1 Jan 99999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +9999", "Sun, 99 Foo 2026"),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z"),
    *("253402300799", "253402300799999", "999999999999999w", "5 days " * 50, "1h" * 100, "1." * 40 + "s"),
)  # fmt: skip
NAMES = ("retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "anthropic-ratelimit-unified-reset",
         "x-ratelimit-reset", "ratelimit-reset", "x-codex-primary-reset-after-seconds")  # fmt: skip
WORDS = (
    "try again in {}",
    "your quota will reset at {}",
    "usage limit reached|{}",
    "将在 {} 重置",
    "please wait {}",
)
DAILY = Field(plain("quotaId"), "GenerateRequestsPerDayPerProjectPerModel")


@pytest.mark.parametrize("date", [None, *VALUES[14:22], "253402300799"])
def test_no_answer_makes_us_wait_for_ever_or_fall(date: str | None) -> None:
    """Whatever it says where, beside whatever date."""
    headers = {} if date is None else {"date": date}
    waits = [asked_wait({**headers, name: value}, (), "", NOW) for name, value in product(NAMES, VALUES)]
    for field, value in product(WAIT_FIELDS, VALUES):
        one = Field(plain(field.name), value)
        waits += [asked_wait(headers, (one,), "", NOW), asked_wait(headers, (DAILY, one), "", NOW)]
    for words, value in product(WORDS, VALUES):
        waits.append(asked_wait(headers, (Field("code", "1308"),), words.format(value), NOW))
    assert [wait for wait in waits if wait is not None and not 0 <= wait <= MAX_WAIT] == []
    assert not any(wait is not None and math.isnan(wait) for wait in waits)
