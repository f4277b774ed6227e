"""What is one for the whole process stays set until the last engine of it has gone."""

from contextlib import ExitStack

from agentbatch.runs.process_wide import WhileAny


def test_the_last_to_go_puts_back_what_the_first_has_set() -> None:
    noted: list[str] = []

    def set_it() -> object:
        noted.append("set")
        return lambda: noted.append("back")

    while_any = WhileAny(set_it)  # type: ignore[arg-type]
    first, second = ExitStack(), ExitStack()
    first.enter_context(while_any())
    second.enter_context(while_any())
    first.close()
    assert noted == ["set"]
    second.close()
    assert noted == ["set", "back"]
    with while_any():
        assert noted == ["set", "back", "set"]
