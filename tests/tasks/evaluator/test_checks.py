"""Which changes of files can make a task's checks say what is not so."""

from agentbatch.tasks.evaluator.checks.tampering import changed_tests, shadowing


def test_which_files_look_like_tests() -> None:
    tests = [
        "tests/anything.txt", "test_a.py", "a/b_test.py", "a_test.go", "x.spec.ts", "x.test.jsx",
        "conftest.py", "src/FooTest.java", "foo_spec.rb", "__tests__/a.js", "pytest.ini", "jest.config.js",
    ]  # fmt: skip
    others = ["contest.py", "latest.py", "src/main.py", "attest/a.py", "test.md", "protest.go"]
    assert changed_tests([*tests, *others]) == tests


def test_what_stands_in_for_the_standard_library() -> None:
    paths = ["unittest.py", "json/__init__.py", "sitecustomize.py", "app/json.py", "app.py", "json.txt"]
    assert shadowing(paths) == ["unittest.py", "json/__init__.py", "sitecustomize.py"]
