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
    calls=1,
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
        *("cacheWriteTokens", "cacheWriteHourTokens", "audioInputTokens", "audioOutputTokens"),
    }
