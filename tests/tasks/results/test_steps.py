from agentbatch.runs import events as e
from agentbatch.tasks.results.steps import ConversationShortened, Step, calls_of, steps, text_of, thought_of
from tests.tasks.results.happened import BEGUN, answered, called, said


def test_a_message_has_its_call_and_the_answers_of_its_tools() -> None:
    found = steps([*BEGUN, answered("judge", 99, "judge"), said(5, "user", "more")])
    _, system, user, coder, judged, more = found
    assert [one.role for one in (system, user, coder, more) if isinstance(one, Step)] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert isinstance(judged, e.ModelCallFinished)
    assert isinstance(coder, Step)
    assert coder.call is not None
    assert (coder.call.usage.input, coder.iteration) == (10, 1)
    assert [(one.call_id, one.text, one.ended and one.ended.exit_code) for one in coder.answers] == [
        ("a", "out a", 0),
        ("b", "not run", None),
    ]


def test_what_a_shortened_conversation_repeats_is_left_out() -> None:
    compact = answered("m", 50, "compact")
    copies = [
        said(0, "system", "rules", 1),
        said(1, "user", "p", 1),
        said(2, "user", "what was before: …", 1),
        said(3, "assistant", "first", 1, tool_calls=[called("a")]),
        said(4, "tool", "out … cut", 1, tool_call_id="a"),
    ]
    found = steps([*BEGUN, compact, *copies, answered("m", 20), said(5, "assistant", "first", 1)])
    shortened, summary, again = found[-3:]
    assert shortened == ConversationShortened()
    assert isinstance(summary, Step)
    assert isinstance(again, Step)
    assert text_of(summary.message) == "what was before: …"
    assert again.call is not None
    assert again.call.usage.input == 20


def test_failed_calls_and_the_evaluation_stand_between_the_steps() -> None:
    failed = answered("m", 0, error="HTTP 500")
    check = e.CheckFinished(task_id="t", command="make", exit_code=1, tail="no", seconds=1)
    verdict = e.VerdictReached(task_id="t", iteration=1, accepted=False, verdict=None, decision="continue")
    assert steps([*BEGUN, failed, check, verdict])[-3:] == [failed, check, verdict]


def test_messages_in_strange_forms() -> None:
    assert text_of({"content": [{"type": "text", "text": "a"}, {"type": "image_url"}, "x"]}) == "a"
    assert text_of({"content": 5}) == ""
    assert thought_of({"reasoning_content": " ", "reasoning": "so"}) == "so"
    odd = [called("a", "{"), {"function": {"name": "x", "arguments": {"k": 1}}}, "x", {"id": "c"}]
    assert calls_of({"tool_calls": odd}) == [("a", "bash", "{"), ("", "x", "{'k': 1}")]
    assert calls_of({"tool_calls": "x"}) == []
