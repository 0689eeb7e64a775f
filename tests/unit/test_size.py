"""What a reader can hold: a module is one idea, and a function fits a screen."""

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    path for room in ("pipelines", "assets", "resources", "simulator") for path in (CHECKOUT / room).rglob("*.py")
)
MODULE_LINES, FUNCTION_LINES = 400, 40


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_module_and_each_of_its_functions_can_be_read_at_once_and_it_says_what_it_is(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {each.name: lines for each in functions if (lines := each.end_lineno - each.lineno + 1) > FUNCTION_LINES}  # type: ignore[operator]
    assert long == {}
    assert len(text.splitlines()) <= MODULE_LINES
    assert ast.get_docstring(tree) or not tree.body
