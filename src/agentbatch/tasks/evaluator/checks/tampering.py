"""Which changes of files can make checks say what is not so."""

import re
import sys
from collections.abc import Iterable

_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs", "testdata"})
_TEST_NAMES = re.compile(
    r"test_.*\.py|.*_tests?\.(py|go|c|cc|cpp|rb|rs|exs|dart|php)|.*_spec\.(rb|lua)|conftest\.py|"
    r".*\.(test|spec)\.[cm]?[jt]sx?|.*Tests?\.(java|kt|cs|swift|php|scala)|"
    r"(pytest\.ini|tox\.ini|(jest|vitest|karma|playwright)\.config\.[cm]?[jt]s)"
)


def changed_tests(paths: Iterable[str]) -> list[str]:
    """Which of `paths` look like tests or what steers them."""
    return [path for path in paths if _is_test(path)]


def shadowing(paths: Iterable[str]) -> list[str]:
    """Which of `paths` a Python check would import in the place of the standard library: `unittest.py` beside the
    tests decides what they say."""
    names = sys.stdlib_module_names | {"sitecustomize", "usercustomize"}
    return [
        path for path in paths if path.endswith(".py") and path.split("/")[0].removesuffix(".py") in names
    ]


def _is_test(path: str) -> bool:
    *folders, name = path.split("/")
    return bool(_TEST_FOLDERS.intersection(folders)) or _TEST_NAMES.fullmatch(name) is not None
