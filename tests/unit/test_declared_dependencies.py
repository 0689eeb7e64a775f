"""What the project imports is declared in pyproject.toml, and everything of it may be used by whoever takes a copy."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
ROOMS = ("pipelines", "assets", "resources", "simulator")


def named(requirement: str) -> str:
    """The name in a requirement, as package indexes compare them."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def imported() -> Iterator[str]:
    """The first names of what the product's modules import, inside functions too."""
    for room in ROOMS:
        for path in (CHECKOUT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from (alias.name.split(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module.split(".")[0]


THIRD_PARTY = sorted(set(imported()) - set(sys.stdlib_module_names) - set(ROOMS))


@pytest.mark.parametrize("module", THIRD_PARTY)
def test_what_is_imported_is_declared_and_not_only_brought_by_another_package(module: str) -> None:
    distributions = {named(name) for name in packages_distributions()[module]}
    declared = {named(requirement) for requirement in PROJECT["dependencies"]}
    assert distributions & declared, f"{module} is imported, and pyproject.toml does not name {sorted(distributions)}"


def test_the_licence_is_the_same_in_the_project_the_file_and_the_image() -> None:
    text = (CHECKOUT / "LICENSE").read_text()
    assert (PROJECT["license"], PROJECT["license-files"]) == ("Apache-2.0", ["LICENSE"])
    assert "Apache License" in text
    assert "Version 2.0" in text
    dockerfile = (CHECKOUT / "deploy" / "Dockerfile").read_text()
    assert f'org.opencontainers.image.licenses="{PROJECT["license"]}"' in dockerfile
    [copied] = [line for line in dockerfile.splitlines() if line.startswith("COPY LICENSE")]
    assert "!LICENSE" in (CHECKOUT / ".dockerignore").read_text().splitlines(), f"the image's context lacks {copied}"
