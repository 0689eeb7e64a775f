"""Imports go down: `pipelines` > `assets` > `resources`, and inside `resources` from room to room. Nobody imports from above."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

# Who may import whom, by the first words of a module's name that match. A room may always import itself.
SHARED = ("resources.settings", "resources.errors", "resources.table", "resources.arrivals", "resources.runtime")
ALLOWED = {
    "pipelines": ("assets", "resources"),
    "pipelines.commands.standin": ("pipelines", "resources", "simulator"),
    "assets": ("resources",),
    "resources.kaltura": (*SHARED, "resources.local"),
    "resources.warehouse": (*SHARED, "resources.privacy", "resources.postgres"),
    "resources.warehouse.calendars": (  # whose midnights cut the days
        *SHARED,
        "resources.privacy",
        "resources.postgres",
        "resources.kaltura.windows",
    ),
    "resources.export": (*SHARED, "resources.postgres"),
    "resources.university": (  # times of a list are local ones, as the days are
        *SHARED,
        "resources.privacy",
        "resources.postgres",
        "resources.warehouse.calendars",
    ),
    "resources.warehouse.redate": (*SHARED, "resources.warehouse", "resources.kaltura.windows"),
    "resources.privacy": (*SHARED, "resources.postgres"),
    "resources.postgres": (*SHARED, "resources.local"),
    "resources.local.kaltura": (*SHARED, "resources.kaltura", "simulator"),
    "resources.local": SHARED,
    "resources": SHARED,
    "simulator": (),
}
OURS = ("pipelines", "assets", "resources", "simulator")


def modules() -> list[Path]:
    return sorted(path for room in OURS for path in (CHECKOUT / room).rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that this one imports, at its head or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                is_module = (CHECKOUT / Path(*inner.split("."))).with_suffix(".py").exists()
                yield inner if is_module else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_imports_from_its_own_room_or_from_below(path: Path) -> None:
    module = dotted(path)
    room = max((room for room in ALLOWED if is_in(module, room)), key=len)
    below = (room, *ALLOWED[room])
    wrong = {
        name
        for name in imported(path)
        if any(is_in(name, ours) for ours in OURS) and not any(is_in(name, each) for each in below)
    }
    assert not wrong, f"{module} imports from above, or from a room beside it: {sorted(wrong)}"
