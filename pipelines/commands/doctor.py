"""`doctor`: does the account behave as docs/kaltura-api.md says, and if not, what to change. Or, does a Dagster fit."""

import dataclasses
import json
import logging
import sys
from typing import TYPE_CHECKING

import click

from pipelines.command_line import Command
from resources.runtime.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from resources.kaltura.doctor.probe import Finding

COLOURS = {"ok": "green", "differs": "yellow", "failed": "bold red", "unknown": "dim"}
VERDICT_WIDTH, CHECK_WIDTH, WIDEST = 8, 23, 100


@click.command(cls=Command)
@click.option("--json", "wants_json", is_flag=True, help="Print a document for a ticket to Kaltura's support.")
@click.option(
    "--dagster", "of_dagster", is_flag=True, help="Examine the Dagster of DAGSTER_HOME instead: what it lacks."
)
@click.pass_context
def command(ctx: click.Context, wants_json: bool, of_dagster: bool) -> None:
    """Examine the Kaltura account that the settings name. Changes nothing. Exit code 1 if something failed."""
    from rich.console import Console

    if of_dagster:
        ctx.exit(examine_dagster(Console(quiet=wants_json), wants_json=wants_json))
    from pipelines.account_doctor import AccountDoctor
    from pipelines.terminal import as_text

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    examination = AccountDoctor()
    console = Console(quiet=wants_json)
    console.print(as_text(f"Kaltura account: {examination.account}"), "", sep="\n", highlight=False)
    findings = shown(examination.findings(), console)
    if wants_json:
        click.echo(json.dumps(examination.document(findings), indent=2))
    console.print(f"\n{counted(findings)}; {len(examination.asked)} report requests", highlight=False)
    if said := _invented():
        console.print(said, highlight=False, soft_wrap=True)
    ctx.exit(exit_code(findings))


def _invented() -> str:
    """What a warehouse that can be asked at once holds of the stand-in; the examination is of the account."""
    import psycopg

    from pipelines.invented import invented_beside
    from resources.errors import ProjectError
    from resources.local import postgres as local_postgres
    from resources.postgres.session import opened
    from resources.postgres.url import database_url, is_private

    try:
        if is_private() and not local_postgres.is_running(local_postgres.default_folder()):
            return ""
        with opened(database_url()) as connection:
            return invented_beside(connection)
    except (ProjectError, psycopg.Error):
        return ""


def examine_dagster(console: "Console", *, wants_json: bool) -> int:
    """Of a Dagster that was there before, what it lacks; the exit code."""
    from pipelines.instance.dagster_doctor import findings

    found = shown(findings(), console)
    if wants_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    console.print(f"\n{counted(found)}", highlight=False)
    return exit_code(found)


def shown(findings: "Iterable[Finding]", console: "Console") -> "list[Finding]":
    """All of them, each shown as it comes."""
    made = []
    for finding in findings:
        made.append(finding)
        show(finding, console)
    return made


def counted(findings: "Sequence[Finding]") -> str:
    verdicts = [finding.verdict for finding in findings]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in COLOURS if verdict in verdicts)


def exit_code(findings: "Sequence[Finding]") -> int:
    return 1 if any(finding.verdict == "failed" for finding in findings) else 0


def show(finding: "Finding", console: "Console") -> None:
    """The verdict, the check, what was found; below it what to do."""
    import textwrap

    from rich.text import Text

    left = VERDICT_WIDTH + CHECK_WIDTH
    width = max(30, min(console.width, WIDEST) - left)
    lines = textwrap.wrap(printable(finding.found), width, break_on_hyphens=False) or [""]
    text = Text(f"{finding.verdict:<{VERDICT_WIDTH}}", style=COLOURS[finding.verdict])
    text.append(f"{finding.check:<{CHECK_WIDTH}}", style="bold")
    text.append(("\n" + " " * left).join(lines), style="default")
    for number, line in enumerate(textwrap.wrap(printable(finding.advice), width - 3, break_on_hyphens=False)):
        text.append("\n" + " " * left + ("-> " if number == 0 else "   ") + line, style="default")
    console.print(text, soft_wrap=True, highlight=False)
