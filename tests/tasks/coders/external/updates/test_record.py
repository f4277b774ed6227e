"""What an agent tells, as events, messages and evidence."""

from agentbatch.runs import events as e
from agentbatch.tasks.coders.coder import Numbers
from agentbatch.tasks.coders.external.updates.record import LEFT_OUT, MAX_OPEN, MAX_OUTPUT, NOT_TOLD, Record
from agentbatch.tasks.coders.external.updates.update import (
    CostUpdate,
    MessageChunk,
    ToolCallUpdate,
    UsageUpdate,
)


def made() -> tuple[Record, list[e.Event]]:
    events: list[e.Event] = []
    record = Record("t", "/work", events.append, str, numbers=Numbers())
    record.prompt("Do it.")
    return record, events


def count(events: list[e.Event], kind: type[e.Event]) -> int:
    return sum(isinstance(event, kind) for event in events)


def test_calls_that_never_end_are_told_while_the_turn_goes_on() -> None:
    record, events = made()
    for number in range(MAX_OPEN + 5):
        record.take(ToolCallUpdate(f"c{number}", True, "read it", "read", "in_progress"))
    assert (count(events, e.ToolCalled), count(events, e.ToolFinished)) == (6, 5)
    record.end_turn()
    assert count(events, e.ToolFinished) == MAX_OPEN + 5
    answers = [message["content"] for message in record.messages if message["role"] == "tool"]
    assert answers == [NOT_TOLD] * (MAX_OPEN + 5)


def test_calls_side_by_side_are_told_one_after_another() -> None:
    record, events = made()
    record.take(MessageChunk("First."))
    record.take(ToolCallUpdate("a", True, "a", "execute", "in_progress", command="sleep 1"))
    record.take(ToolCallUpdate("b", True, "b", "execute", "in_progress", command="true"))
    record.take(ToolCallUpdate("b", status="completed", exit_code=0, output="b"))
    record.take(MessageChunk("Then."))
    assert count(events, e.ToolFinished) == 0
    record.take(ToolCallUpdate("a", status="failed", output="a"))
    told = [event.call_id for event in events if isinstance(event, e.ToolCalled | e.ToolFinished)]
    assert told == ["call-1", "call-1", "call-2", "call-2"]
    assert record.end_turn() == "Then."
    roles = [message["role"] for message in record.messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert [(one.command, one.exit_code) for one in record.work.commands] == [("sleep 1", 1), ("true", 0)]


def test_a_turn_that_says_too_much_is_recorded_in_part() -> None:
    record, events = made()
    for number in range(1000):
        output = "x" * MAX_OUTPUT
        record.take(ToolCallUpdate(f"c{number}", True, "t", "read", "completed", output=output))
    record.end_turn()
    size = sum(len(str(message["content"])) for message in record.messages)
    assert size < 21_000_000
    assert record.messages[-1]["content"] == LEFT_OUT
    assert count(events, e.ToolFinished) == 1000


def test_what_it_has_cost_since_it_was_asked_last() -> None:
    record, _ = made()
    bills = []
    for cost in (0.5, 0.75, 0.25):  # the third: its process is another
        record.take(CostUpdate(cost))
        record.take(UsageUpdate(10, 5, cached=4))
        bills.append(record.take_bill())
    assert [bill[0] for bill in bills] == [0.5, 0.25, 0.25]
    assert (bills[0][1].input, bills[0][1].cached, bills[0][1].estimated) == (10, 4, True)
    assert record.take_bill()[0] == 0.0


def test_a_call_is_named_for_what_it_does_or_as_its_tool_is_called() -> None:
    record, events = made()
    for told in (
        ToolCallUpdate("a", True, "`make`", "execute", "completed", command="make", name="Bash"),
        ToolCallUpdate("b", True, "mcp.notes.add", "execute", "completed"),
        ToolCallUpdate("c", True, "notes-add", "other", "in_progress", arguments={"a": 2}),
        ToolCallUpdate("c", title="It added", status="completed"),
        ToolCallUpdate("d", True, "It looks", "read", "completed", name="Read"),
        ToolCallUpdate("e", True, "add (notes)", "other", "completed", name="mcp__notes__add"),
        ToolCallUpdate("f", True, "It thinks", status="completed"),
    ):
        record.take(told)
    names = ["bash", "mcp_notes_add", "notes-add", "read", "mcp__notes__add", "other"]
    assert [event.tool for event in events if isinstance(event, e.ToolCalled)] == names
    summaries = [event.summary for event in events if isinstance(event, e.ToolCalled)]
    assert summaries == ["make", "mcp.notes.add", '{"a": 2}', "It looks", "add (notes)", "It thinks"]
    assert [event.tool for event in events if isinstance(event, e.ToolFinished)] == names
    assert [message["tool_calls"][0]["function"]["name"] for message in record.messages[1::2]] == names
