"""The task table: what it shows, where its cursor is, and that it draws no more than it must."""

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tui.lines.filter import parse_filter
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.task_cells import HEADS
from agentbatch.tui.widgets.task_table import TaskTable
from agentbatch.usage import Usage
from tests.display.conftest import Story
from tests.support.run_events import NOON
from tests.support.screens import until


class TableApp(App[None]):
    def __init__(self, state: RunState, clock: list[float]) -> None:
        super().__init__()
        self.run_state = state
        self.clock = clock
        self.told: list[str | None] = []
        self.asked = 0
        """How often a line has asked the clock."""

    def compose(self) -> ComposeResult:
        yield TaskTable(glyphs=Glyphs(ascii=True), now=self.now)

    def now(self) -> float:
        self.asked += 1
        return self.clock[0]

    def on_mount(self) -> None:
        self.table.set_state(self.run_state, lambda task: task.status)
        self.table.focus()

    @property
    def table(self) -> TaskTable:
        return self.query_one(TaskTable)

    def on_task_table_selected(self, event: TaskTable.Selected) -> None:
        self.told.append(event.task_id)

    def lines(self) -> list[str]:
        return [self.table.render_line(y).text for y in range(self.table.size.height)]


def run_of(count: int) -> Story:
    story = Story([f"task-{n}" for n in range(count)])
    story.begin()
    return story


async def settled(pilot: Pilot[None]) -> None:
    """The cursor has stood long enough for its task to be chosen."""
    await until(pilot, lambda: pilot.app.query_one(TaskTable)._settling is None)
    await pilot.pause()


async def test_a_line_a_task() -> None:
    story = run_of(3)
    story.start("task-0")
    story.call("task-0", 5)
    story.finish("task-0", 30)
    story.start("task-1")
    story.at(40, e.ToolCalled(task_id="task-1", call_id="c", tool="bash", summary="make"))
    app = TableApp(story.state, [NOON + 50])
    async with app.run_test(size=(90, 10)):
        lines = [line.split() for line in app.lines()]
    assert lines[0] == list(HEADS)
    assert lines[1] == ["+", "completed", "task-0", "1/10", "12.6k", "$0.0300", "0:30"]
    assert lines[2] == ["*", "coding", "task-1", "1/10", "0", "$0.00", "0:50", "bash", "0:10", "make"]
    assert lines[3] == [".", "queued", "task-2"]
    assert lines[4] == []


async def test_the_cursor_goes_and_tells_when_it_stands() -> None:
    app = TableApp(run_of(100).state, [NOON])
    async with app.run_test(size=(80, 11)) as pilot:
        await settled(pilot)
        assert app.told == ["task-0"]
        for _ in range(3):
            app.table.action_move(1)  # no time passes between them, as between keys on a busy machine
        assert app.table.selected == "task-3"
        await settled(pilot)
        assert app.told == ["task-0", "task-3"]
        for step in range(4, 14):
            await pilot.press("down")
            await pilot.pause()
            assert any(f"task-{step} " in line for line in app.lines())
        await pilot.press("end")
        await settled(pilot)
        assert app.table.selected == "task-99"
        assert "task-99" in app.lines()[-1]
        assert app.lines()[0].split() == list(HEADS)
        await pilot.press("pageup")
        assert app.table.selected == "task-90"
        await pilot.press("home", "up")
        await settled(pilot)
        assert app.told[-1] == "task-0"
        await pilot.click(TaskTable, offset=(5, 4))
        assert app.table.selected == "task-3"


async def test_a_filter_keeps_the_cursor_on_its_task() -> None:
    story = run_of(50)
    app = TableApp(story.state, [NOON])
    async with app.run_test(size=(80, 11)) as pilot:
        await settled(pilot)
        app.told.clear()
        app.table.select("task-41")
        app.table.set_filter(parse_filter("task-4"))
        await settled(pilot)
        assert app.table.shown == 11
        assert app.told == ["task-41"]
        app.table.set_filter(parse_filter("nothing"))
        await settled(pilot)
        assert app.table.selected is None
        assert app.told[-1] is None
        assert any("No task matches; esc clears the filter." in line for line in app.lines())
        app.table.set_filter(None)
        await settled(pilot)
        assert app.table.shown == 50
        assert app.told[-1] == app.table.selected == "task-41"
        assert any("task-41" in line for line in app.lines())


async def test_the_cursor_stands_on_the_nearest_while_its_task_is_not_shown() -> None:
    story = run_of(10)
    for task in ("task-2", "task-4", "task-7"):
        story.start(task)
    app = TableApp(story.state, [NOON])
    async with app.run_test(size=(80, 14)) as pilot:
        app.table.set_filter(parse_filter("state:running"))
        app.table.select("task-4")
        story.finish("task-4", 5)
        app.table.update_tasks(["task-4"])
        assert app.table.selected == "task-7"
        story.finish("task-7", 5)
        app.table.update_tasks(["task-7"])
        await settled(pilot)
        assert app.told[-1] == app.table.selected == "task-2"
        app.table.set_filter(None)
        assert app.table.selected == "task-4"


async def test_time_alone_brings_tasks_under_a_filter() -> None:
    story = run_of(3)
    story.start("task-1")
    clock = [NOON + 59]
    app = TableApp(story.state, clock)
    async with app.run_test(size=(80, 14)):
        app.table.set_filter(parse_filter("time:>=1m", now=lambda: clock[0]))
        app.table.tick(clock[0])
        assert app.table.shown == 0
        clock[0] += 1
        app.table.tick(clock[0])
        assert app.table.shown == 1
        assert app.lines()[1].split()[2] == "task-1"


async def test_attempts_stand_below_their_task_and_grow_older_with_it() -> None:
    story = run_of(2)
    for number in (1, 2):
        name = e.attempt_id("task-0", number)
        queued = e.TaskQueued(
            task_id=name, index=0, dir="d", first_prompt="p", max_iterations=1, attempt_of="task-0"
        )
        story.at(0, queued)
    story.start("task-0@2")
    clock = [NOON]
    app = TableApp(story.state, clock)
    async with app.run_test(size=(80, 8)) as pilot:
        await settled(pilot)
        clock[0] += 5
        app.table.tick(clock[0])
        await pilot.pause()
        assert [line[14:26].strip() for line in app.lines()[1:5]] == [
            "task-0",
            "` attempt 1",
            "` attempt 2",
            "task-1",
        ]
        assert ["0:05" in line for line in app.lines()[1:5]] == [True, False, True, False]


async def test_tasks_that_come_up_get_lines() -> None:
    story = run_of(0)
    app = TableApp(story.state, [NOON])
    async with app.run_test(size=(80, 14)) as pilot:
        await settled(pilot)
        assert any("No tasks yet." in line for line in app.lines())
        assert app.told == []
        queued = e.TaskQueued(task_id="late", index=0, dir="d", first_prompt="p", max_iterations=1)
        story.at(1, queued)
        app.table.update_tasks(["late"])  # not in the table yet
        app.table.set_state(story.state, lambda task: task.status)
        await settled(pilot)
        assert app.told == ["late"]
        assert "late" in app.lines()[1]


async def test_a_line_ends_where_the_scrollbar_begins() -> None:
    story = run_of(40)
    story.start("task-0")
    story.finish("task-0", 5, status="error", reason="blocked", error="no sales.csv " * 20)
    app = TableApp(story.state, [NOON])
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.pause()
        line = app.screen._compositor.render_strips()[1].text
        assert line[78] == "~"  # cut, and it says so, beside the one cell of the scrollbar


async def test_the_wheel_leaves_the_cursor_and_the_head() -> None:
    app = TableApp(run_of(100).state, [NOON])
    async with app.run_test(size=(80, 11)) as pilot:
        await pilot.pause()
        app.table.scroll_to(y=50, animate=False)
        await pilot.pause()
        assert app.table.selected == "task-0"
        assert app.lines()[0].split() == list(HEADS)
        assert "task-50" in app.lines()[1]
        await pilot.press("down")
        await pilot.pause()
        assert any("task-1 " in line for line in app.lines())


async def test_tasks_come_and_go_under_a_filter() -> None:
    story = run_of(10)
    app = TableApp(story.state, [NOON])
    async with app.run_test(size=(80, 14)) as pilot:
        app.table.set_filter(parse_filter("state:running"))
        assert app.table.shown == 0
        story.start("task-7")
        story.start("task-2")
        app.table.update_tasks(["task-7", "task-2"])
        await pilot.pause()
        assert [line.split()[2] for line in app.lines()[1:3]] == ["task-2", "task-7"]
        story.finish("task-2", 5)
        app.table.update_tasks(["task-2"])
        await pilot.pause()
        assert app.table.shown == 1


async def test_only_lines_that_are_seen_are_drawn() -> None:
    story = run_of(1_000)
    drawn: list[str] = []

    def status(task: TaskState) -> str:
        drawn.append(task.id)
        return task.status

    app = TableApp(story.state, [NOON])
    async with app.run_test(size=(80, 12)) as pilot:
        app.table.set_state(story.state, status)  # type: ignore[arg-type]
        await settled(pilot)
        drawn.clear()
        for task in ("task-3", "task-900", "task-901"):
            story.start(task)
        app.table.update_tasks(["task-3", "task-900", "task-901"])
        await pilot.pause()
        assert set(drawn) == {"task-3"}
        drawn.clear()
        asked = app.asked
        app.table.tick(NOON + 1)
        await pilot.pause()
        assert set(drawn) <= {f"task-{n}" for n in range(11)}
        assert app.asked - asked == 1  # only what runs has grown older


async def test_figures_that_grow_get_their_room() -> None:
    story = run_of(2)
    story.start("task-0")
    app = TableApp(story.state, [NOON])
    async with app.run_test(size=(80, 6)) as pilot:
        await pilot.pause()
        story.call("task-0", 5, cost=12_345.67, usage=Usage(input=987_654_321, calls=1))
        app.table.update_tasks(["task-0"])
        await pilot.pause()
        await pilot.pause()
        line = app.lines()[1]
        assert "987.7M" in line
        assert "$12,345.67" in line
