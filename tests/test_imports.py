"""Imports stand at the top of a file, for types too; the few others are listed here, and no modules form a cycle."""

import ast
from collections.abc import Iterator

import grimp
import pytest

from tests.support.paths import CHECKOUT

SOURCE = CHECKOUT / "src/agentbatch"

SCREENS = "textual takes half a second: only where something is drawn"
CLIENT = "the loop and the model client: only when something runs"
LOCAL = "only with --local"
CLUSTER = "thirty modules that only a run on a cluster needs"
CONTAINERS = "only where a task has an image"
REFUSED = "tables of wordings: only where an endpoint refuses something"
EXTRA = "of an extra that may not be installed"
REQUESTS = "brings jsonschema, a quarter of a second: not for --help"
REHEARSAL = "its server and scripts: only without a key"
PROGRAMS = "tasks/evaluator/programs"

LATE: dict[tuple[str, str], str] = {
    (
        "cli/main.py",
        "agentbatch.cli.flags",
    ): "brings pydantic: not for --version, nor for a command's own words",
    ("cli/main.py", "agentbatch.cli.tasks.run"): "the same",
    ("cli/main.py", "agentbatch.tasks.spec.task_document"): "for a mistake",
    ("cli/requests/bench.py", "agentbatch.model.http.access"): REQUESTS,
    ("cli/requests/answers.py", "agentbatch.display.requests.answers"): REQUESTS,
    ("cli/requests/answers.py", "agentbatch.requests.spec.make_values"): REQUESTS,
    ("cli/requests/bench.py", "agentbatch.rehearsal.server"): REHEARSAL,
    ("cli/requests/bench.py", "agentbatch.requests.run.bench"): REQUESTS,
    ("cli/requests/cache.py", "agentbatch.requests.journal.cache"): REQUESTS,
    ("cli/requests/command.py", "agentbatch.cli.requests"): REQUESTS,
    ("cli/requests/make.py", "agentbatch.requests.spec.make"): REQUESTS,
    ("cli/requests/make.py", "agentbatch.requests.spec.make_values"): REQUESTS,
    ("cli/runs/attach.py", "agentbatch.cli.runs"): SCREENS,
    ("cli/runs/status.py", "agentbatch.requests.journal.reading"): REQUESTS,
    ("cli/setup/dashboard.py", "agentbatch.dashboard.server"): "aiohttp: not for --help",
    ("cli/setup/doctor.py", "agentbatch.cli.setup.checks"): CLIENT,
    (
        "cli/tasks/at_the_end.py",
        "agentbatch.display.reports.report",
    ): "every kind: only where one is asked for",
    ("cli/tasks/shell.py", "agentbatch.tasks.run.user.open_shell"): "all that a run is prepared with",
    ("cli/tasks/shell.py", "agentbatch.tasks.run.prepare.prepare"): "the same",
    ("cli/tasks/resume.py", "agentbatch.cli.requests"): REQUESTS,
    ("cli/tasks/results.py", "agentbatch.cli.runs"): SCREENS,
    ("cli/tasks/run.py", "agentbatch.cli.runs"): SCREENS,
    ("cli/tasks/run.py", "agentbatch.cli.tasks"): CLIENT,
    ("display/reports/cost_table.py", "agentbatch.spending.pricing"): "for its types",
    ("files.py", "aiofiles"): "brings asyncio, without which many commands do",
    ("documents/yaml_text.py", "yaml"): EXTRA,
    ("display/display.py", "agentbatch.display.rich"): "rich: only on a terminal",
    ("gateway/gateway.py", "agentbatch.gateway.server"): "aiohttp: only where a coder wants it",
    ("local/child.py", "xllamacpp"): EXTRA,
    ("local/download.py", "httpx2"): "comes with huggingface_hub, " + EXTRA,
    ("local/download.py", "huggingface_hub"): EXTRA,
    ("mcp/task_servers.py", "agentbatch.mcp.connection"): "0.6 s, " + EXTRA,
    ("mcp/task_servers.py", "agentbatch.mcp.http"): EXTRA,
    ("mcp/task_servers.py", "agentbatch.mcp.streams"): EXTRA,
    ("model/failures/failure.py", "agentbatch.model.refusals.waits"): REFUSED,
    ("model/failures/learning.py", "agentbatch.model.refusals.lessons"): REFUSED,
    ("model/tokens.py", "tiktoken"): "only where an endpoint counts nothing",
    ("model/http/access.py", "httpx2"): "0.1 s, for https only",
    ("model/http/errors.py", "aiohttp"): "a third of a second: not for what sends nothing",
    ("model/http/transport.py", "agentbatch.model.http.body"): "brings aiohttp",
    ("model/http/transport.py", "aiohttp"): "a third of a second: not for what sends nothing",
    ("model/http/unreached.py", "aiohttp"): "a third of a second: not for what sends nothing",
    ("requests/provider/service.py", "httpx2"): "comes with openai",
    ("requests/provider/service.py", "openai"): "half a second: only for the provider's batch service",
    ("tasks/coders/acp/session.py", "agentbatch.tasks.coders.acp.agent"): "0.6 s, " + EXTRA,
    ("tasks/coders/acp/session.py", "agentbatch.tasks.coders.acp.servers"): EXTRA,
    ("requests/run/assemble.py", "agentbatch.rehearsal.server"): REHEARSAL,
    ("runs/services/notify_process.py", "apprise"): EXTRA,
    ("runs/session.py", "agentbatch.runs.telemetry.telemetry"): "only where somebody asks for it",
    ("spending/pricing.py", "genai_prices"): "megabytes of prices: only where something is priced",
    (f"{PROGRAMS}/call_examples.py", "asyncio"): "runs in a workspace: slow, and seldom needed",
    **{
        (f"{PROGRAMS}/sound_forms.py", name): "runs in a workspace after every turn, and has to be quick"
        for name in ("binascii", "json", "re", "site", "subprocess", "tempfile", "xml", "zlib")
    },
    (f"{PROGRAMS}/sound_forms.py", "tomllib"): "runs in a workspace, whose Python may be older",
    (f"{PROGRAMS}/sound_forms.py", "yaml"): "runs in a workspace, which may have it",
    ("tasks/coders/makers.py", "agentbatch.tasks.coders.acp.session"): "only where a task has such a coder",
    ("tasks/coders/makers.py", "agentbatch.tasks.coders.command.session"): "the same",
    ("tasks/coders/makers.py", "agentbatch.tasks.coders.external.kind"): "the same",
    ("tasks/run/endpoints.py", "agentbatch.local.server"): LOCAL,
    ("tasks/run/endpoints.py", "agentbatch.rehearsal.library"): REHEARSAL,
    ("tasks/run/endpoints.py", "agentbatch.rehearsal.server"): REHEARSAL,
    ("tasks/run/run_batch.py", "agentbatch.tasks.run.workspaces.cluster"): CLUSTER,
    ("tasks/run/prepare/cluster.py", "agentbatch.cluster.before"): CLUSTER,
    ("tasks/run/prepare/cluster.py", "agentbatch.cluster.exchange.terms"): CLUSTER,
    ("tasks/run/prepare/prepare.py", "agentbatch.tasks.run.prepare.local"): LOCAL,
    ("tasks/run/prepare/prepared_run.py", "agentbatch.local.server_plan"): LOCAL,
    ("tasks/run/prepare/prepared_run.py", "agentbatch.rehearsal.library"): REHEARSAL,
    ("tui/screens/export.py", "agentbatch.display.reports.report"): "every kind of report",
    ("tasks/run/prepare/images.py", "agentbatch.workspace.images"): CONTAINERS,
    ("tasks/run/prepare/prepared_run.py", "agentbatch.workspace.images"): CONTAINERS,
    ("workspace/containers/choosing.py", "agentbatch.workspace.containers.images.building"): CONTAINERS,
    ("workspace/containers/choosing.py", "agentbatch.workspace.containers.engine"): CONTAINERS,
    ("workspace/containers/choosing.py", "agentbatch.workspace.containers.images.images"): CONTAINERS,
    ("workspace/containers/choosing.py", "agentbatch.workspace.containers.mounts"): CONTAINERS,
    ("workspace/containers/leftovers.py", "agentbatch.workspace.containers.command_lines"): CONTAINERS,
    ("workspace/containers/leftovers.py", "agentbatch.workspace.containers.engine"): CONTAINERS,
    ("workspace/local_workspace.py", "agentbatch.workspace.containers.engine"): CONTAINERS,
    ("workspace/local_workspace.py", "agentbatch.workspace.containers.images.images"): CONTAINERS,
    ("workspace/local_run.py", "agentbatch.workspace.containers.engine"): CONTAINERS,
    ("workspace/local_run.py", "agentbatch.workspace.containers.walls"): CONTAINERS,
    ("workspace/programs/programs.py", "agentbatch.workspace.programs.in_container"): CONTAINERS,
    ("workspace/shell/guarding.py", "ctypes"): "only the guard's own process has a use for it",
}
"""Imports that do not stand at the top, by file and module (of others: their package), and why."""


class Late(ast.NodeVisitor):
    """The modules that are imported anywhere but at the top of a file."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._deep = 0

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr):
            return  # nothing is imported in there
        deeper = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.If)
        self._deep += deeper
        if self._deep and isinstance(node, ast.ImportFrom):
            self.found.append(node.module or ".")
        if self._deep and isinstance(node, ast.Import):
            self.found += [name.name for name in node.names]
        self.generic_visit(node)
        self._deep -= deeper


def late_imports() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        visitor = Late()
        visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
        for module in visitor.found:
            ours = module.startswith("agentbatch.")
            yield path.relative_to(SOURCE).as_posix(), module if ours else module.partition(".")[0]


def test_an_import_that_is_not_at_the_top_has_a_reason() -> None:
    found, listed = set(late_imports()), set(LATE)
    assert sorted(found - listed) == [], "import it at the top, or give the reason in LATE"
    assert sorted(listed - found) == [], "no longer there: take it out of LATE"


@pytest.mark.parametrize(
    ("source", "late"),
    [
        ("import a\nfrom b import c", []),
        ("def f():\n    from a.b import c\n    import d, e", ["a.b", "d", "e"]),
        ("if TYPE_CHECKING:\n    from a import b", ["a"]),
        ("class A:\n    async def f(self):\n        import a", ["a"]),
    ],
)
def test_what_is_late(source: str, late: list[str]) -> None:
    visitor = Late()
    visitor.visit(ast.parse(source))
    assert visitor.found == late


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    graph = grimp.build_graph("agentbatch", exclude_type_checking_imports=False, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_modules_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    assert circles(imports) == []


def test_a_run_without_images_and_machines_loads_nothing_for_them(imports: dict[str, set[str]]) -> None:
    late = {(f"agentbatch.{path[:-3].replace('/', '.')}", module) for path, module in LATE}
    loaded, new = set[str](), {"agentbatch.tasks.run.run_batch"}
    while new:
        loaded |= new
        new = {other for one in new for other in imports[one] if (one, other) not in late} - loaded
    rooms = ("agentbatch.workspace.containers.", "agentbatch.cluster.")
    light = {f"agentbatch.workspace.containers.{name}" for name in ("choosing", "leftovers", "names")}
    assert {module for module in loaded if module.startswith(rooms)} == light


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Modules that import each other, directly or by others: what is left when those that import none of the rest are
    taken away, again and again, and then those that none of the rest imports."""
    left = {module: set(others) for module, others in imports.items()}
    while ends := [module for module, others in left.items() if not others & left.keys()]:
        for module in ends:
            del left[module]
    while starts := left.keys() - {other for others in left.values() for other in others}:
        for module in starts:
            del left[module]
    return [set(left)] if left else []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [{"b", "c"}]


def test_test_modules_import_nothing_from_each_other() -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}: {node.module}"
        for path in sorted((CHECKOUT / "tests").rglob("*.py"))
        if ".test_" in (text := path.read_text(encoding="utf-8"))  # few have: parsing all takes seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and ".test_" in f".{node.module}"
    ]
    assert found == [], "what several need stands in a module beside them, or in tests/support"
