import pytest

from agentbatch.usage import Usage, sum_usage

WHOLE = Usage(
    input=9,
    cached=2,
    written=3,
    written_hour=1,
    audio_input=1,
    output=8,
    reasoning=2,
    audio_output=1,
    calls=2,
    untold=1,
)


def test_every_count_is_summed_and_taken_away_again() -> None:
    twice = sum_usage([WHOLE, WHOLE])
    assert twice == WHOLE + WHOLE
    assert twice.model_dump() == {
        name: count * 2 if name != "estimated" else False for name, count in WHOLE.model_dump().items()
    }
    assert twice - WHOLE == WHOLE


def test_rare_kinds_are_named_where_there_are_any() -> None:
    plain = {
        *("totalTokens", "promptTokens", "completionTokens", "cachedTokens", "reasoningTokens"),
        *("calls", "estimated"),
    }
    assert set(Usage(input=1, calls=1).document()) == plain
    assert set(WHOLE.document()) - plain == {
        *("cacheWriteTokens", "cacheWriteHourTokens", "audioInputTokens", "audioOutputTokens", "untoldCalls"),
    }


@pytest.mark.parametrize(
    ("usage", "shown", "average"),
    [
        (Usage(input=1200, output=34, calls=2), ("1,200", "0"), 617.0),
        (Usage(input=1200, output=34, calls=2, estimated=True), ("≈1,200", "0"), 617.0),
        (Usage(input=1200, output=34, calls=3, untold=1), ("≥1,200", "–"), 617.0),
        (Usage(input=1200, output=34, calls=3, untold=1, estimated=True), ("≥1,200", "–"), 617.0),
        (Usage(calls=2, untold=2), ("–", "–"), None),
        (Usage(), ("0", "0"), None),
    ],
)
def test_what_nobody_told_is_unknown_and_in_no_mean(
    usage: Usage, shown: tuple[str, str], average: float | None
) -> None:
    assert (usage.shown(usage.input), usage.shown(usage.cached)) == shown
    assert usage.average == average
