"""How much is heard of an agent in a turn."""

import pytest

from agentbatch.tasks.coders.command.readers.pi import PiReader
from agentbatch.tasks.coders.external.limits import Pace, TurnLimits


@pytest.mark.parametrize(
    ("new", "repeated", "ended"), [(1000, 0, False), (1001, 0, True), (0, 10_000, False), (1, 10_000, True)]
)
def test_what_is_said_again_counts_for_a_tenth(new: int, repeated: int, ended: bool) -> None:
    pace = Pace(TurnLimits(received=1000), lambda: False)
    pace.hear(new + repeated, 0)
    pace.repeated(repeated)
    assert (pace.passed() is not None) == ended


def test_a_pi_that_streams_says_its_answer_again_with_each_word() -> None:
    update = (
        b'{"type":"message_update","assistantMessageEvent":{"type":"text_delta","partial":{}},"message":{}}'
    )
    ended = b'{"type":"message_end","message":{"role":"assistant","content":[{"type":"text","text":"x"}]}}'
    assert update.startswith(PiReader().repeats)
    assert not ended.startswith(PiReader().repeats)
    assert list(PiReader().read(update)) == [], "what is not read says nothing"
