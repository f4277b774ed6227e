"""Style sheets name classes: Textual says nothing where a class has another name by now."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from textual import widgets

import agentbatch.tui

ROOT = Path(agentbatch.tui.__file__).parent
SHEETS = sorted(ROOT.rglob("*.tcss"))


def known_names() -> set[str]:
    """The classes of the app, and Textual's widgets."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(agentbatch.tui.__path__, "agentbatch.tui.")
    ]
    ours = {name for module in modules for name, value in vars(module).items() if isinstance(value, type)}
    return ours | set(dir(widgets)) | {"Toast", "ToastRack", "ContentTabs", "Underline"}


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_every_class_of_a_style_sheet_exists(sheet: Path) -> None:
    rules = re.sub(r"/\*.*?\*/|\{[^{}]*\}", "{", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = set(re.findall(r"(?<![\w.#$-])[A-Z][A-Za-z]+", rules))
    assert named <= known_names()


def test_there_are_style_sheets() -> None:
    assert len(SHEETS) > 10
