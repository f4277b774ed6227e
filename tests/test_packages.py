"""docs/packages.md says what an installation brings: names, ranges, licences, and a size that it may not pass."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
PAGE = (CHECKOUT / "docs/packages.md").read_text("utf-8")
MAX_MB = 105
"""Of the core installation with its bytecode: 95 on 2026-11-30. What is more needs a reason in docs/packages.md."""
NAMED = {
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "3-Clause BSD License": "BSD-3-Clause",
}
"""Licences as old metadata names them; jinja2's is the one of three clauses."""


def rows(heading: str) -> Iterator[list[str]]:
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def asked_for(requirements: Iterable[str]) -> dict[str, str]:
    return {str(name): str(rest) for name, rest in map(split, requirements)}


def split(requirement: str) -> tuple[str, str]:
    found = re.match(r"[\w.\-]+(?:\[\w+\])?", requirement)
    assert found
    return found[0], requirement[found.end() :].partition(";")[0].strip()


def closure(requirements: Iterable[str]) -> Mapping[str, Distribution]:
    """All that is installed for these, by canonical names."""
    found: dict[str, Distribution] = {}
    left = [Requirement(one) for one in requirements]
    while left:
        asked = left.pop()
        name = canonicalize_name(asked.name)
        if name not in found:
            found[name] = distribution(asked.name)
        for text in found[name].requires or []:
            inner = Requirement(text)
            if inner.marker and not any(
                inner.marker.evaluate({"extra": extra}) for extra in ("", *asked.extras)
            ):
                continue
            if canonicalize_name(inner.name) not in found:
                left.append(inner)
    return found


def licence(package: Distribution) -> str:
    metadata = package.metadata
    kinds = [str(kind) for kind in metadata.get_all("Classifier", []) if "License ::" in kind]
    told = [str(metadata[key]) for key in ("License-Expression", "License") if key in metadata]
    first = next(iter([*told, *kinds, ""])).partition("\n")[0].rpartition(" :: ")[2]
    return NAMED.get(first, first)


def megabytes(package: Distribution) -> float:
    files = (package.locate_file(file) for file in package.files or [])
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6  # type: ignore[attr-defined]


def test_the_page_has_what_is_asked_for() -> None:
    told = {name.strip("`"): versions.strip("`") for name, versions, *_ in rows("What agentbatch asks for")}
    assert told == asked_for(PROJECT["dependencies"])


def test_the_page_has_the_extras() -> None:
    told = {
        name.strip("`"): asked_for(re.findall("`([^`]+)`", packages)) for name, packages, *_ in rows("Extras")
    }
    extras = PROJECT["optional-dependencies"]
    assert told == {name: asked_for(asked) for name, asked in extras.items() if name != "dev"}


@pytest.mark.slow
def test_no_package_joins_unseen_and_licences_are_as_told() -> None:
    told = {
        canonicalize_name(split(row[0].strip("`"))[0].partition("[")[0]): row[2]
        for row in rows("What agentbatch asks for")
    }
    told |= {canonicalize_name(row[0].strip("`")): row[1] for row in rows("What these bring")}
    assert {name: licence(package) for name, package in closure(PROJECT["dependencies"]).items()} == told


@pytest.mark.slow
def test_the_licences_of_extras() -> None:
    for extra, _, licences, *_ in rows("Extras"):
        names = [Requirement(one).name for one in PROJECT["optional-dependencies"][extra.strip("`")]]
        try:
            found = {licence(distribution(name)) for name in names}
        except PackageNotFoundError:
            continue  # cluster and docs, where they are not installed
        assert found - {""} <= set(licences.split(", ")), extra


@pytest.mark.slow
def test_the_core_installation_does_not_grow() -> None:
    sizes = {name: round(megabytes(package), 1) for name, package in closure(PROJECT["dependencies"]).items()}
    own = (
        sum(path.stat().st_size for path in (CHECKOUT / "src").rglob("*.py")) * 2.9 / 1e6
    )  # with its bytecode
    assert sum(sizes.values()) + own < MAX_MB, sorted(sizes.items(), key=lambda item: -item[1])[:12]
