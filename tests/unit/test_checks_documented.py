"""Each check has its row in the docs, and a case in the tests that spoils a good day for it."""

import ast
import re
from pathlib import Path

import pytest

from assets.checks.checks import CHECKS, Check
from assets.reports import REPORTS

CHECKOUT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| `([a-z_]+)` \| .*? \| (.*?) \|", (CHECKOUT / "docs" / "checks-and-alerts.md").read_text("utf-8"), re.MULTILINE
)


def texts_of_tests() -> set[str]:
    """Every text that stands in the integration tests as a value."""
    nodes = (
        node
        for path in (CHECKOUT / "tests" / "integration").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    )
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


TEXTS = texts_of_tests()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_is_in_the_docs_and_in_a_test_by_its_name(check: Check) -> None:
    name, severity = check.name, {"WARN": "warning", "ERROR": "error"}[check.severity.value]
    rows = [told for row, told in ROWS if row == name]
    assert len(rows) == 1, f"{name} has no row, or several, in docs/checks-and-alerts.md"
    assert rows[0].startswith(severity), f"{name} is not called {severity} in docs/checks-and-alerts.md"
    assert name in TEXTS, f"no test in tests/integration names {name}: spoil a good day, and see it fail"


@pytest.mark.parametrize("check", [check for check in CHECKS if check.reports == REPORTS], ids=lambda check: check.name)
def test_a_check_of_all_reports_reads_the_table_of_each_or_of_none(check: Check) -> None:
    """A part that is missing would pass for a table without faults."""
    text = (CHECKOUT / "sql" / "checks" / f"{check.name}.sql").read_text("utf-8")
    tables = {f"kaltura.{report.table.name}" for report in REPORTS}
    read = set(re.findall(r"kaltura\.\w+", text)) & tables
    assert read in (set(), tables), f"no part for {', '.join(sorted(tables - read))}"
