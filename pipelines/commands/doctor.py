"""`doctor`: does the account behave as docs/kaltura-api.md says, and if not, what to change."""

import json
import logging
import sys
from typing import TYPE_CHECKING

import click

from pipelines.command_line import Command

if TYPE_CHECKING:
    from rich.console import Console

    from resources.kaltura.doctor.probe import Finding

COLOURS = {"ok": "green", "differs": "yellow", "failed": "bold red", "unknown": "dim"}
VERDICT_WIDTH, CHECK_WIDTH, WIDEST = 8, 23, 100


@click.command(cls=Command)
@click.option("--json", "wants_json", is_flag=True, help="Print a document for a ticket to Kaltura's support.")
@click.pass_context
def command(ctx: click.Context, wants_json: bool) -> None:
    """Examine the Kaltura account that the settings name. Changes nothing. Exit code 1 if something failed."""
    from rich.console import Console

    from pipelines.examination import Examination

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    examination = Examination()
    console = Console(quiet=wants_json)
    console.print(f"Kaltura account: {examination.account}\n", highlight=False)
    findings = []
    for finding in examination.findings():
        findings.append(finding)
        show(finding, console)
    verdicts = [finding.verdict for finding in findings]
    if wants_json:
        click.echo(json.dumps(examination.document(findings), indent=2))
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in COLOURS if verdict in verdicts)
    console.print(f"\n{counts}; {len(examination.asked)} report requests", highlight=False)
    ctx.exit(1 if "failed" in verdicts else 0)


def show(finding: "Finding", console: "Console") -> None:
    """The verdict, the check, what was found; below it what to do."""
    import textwrap

    from rich.text import Text

    left = VERDICT_WIDTH + CHECK_WIDTH
    width = max(30, min(console.width, WIDEST) - left)
    lines = textwrap.wrap(finding.found, width, break_on_hyphens=False) or [""]
    text = Text(f"{finding.verdict:<{VERDICT_WIDTH}}", style=COLOURS[finding.verdict])
    text.append(f"{finding.check:<{CHECK_WIDTH}}", style="bold")
    text.append(("\n" + " " * left).join(lines), style="default")
    for number, line in enumerate(textwrap.wrap(finding.advice, width - 3, break_on_hyphens=False)):
        text.append("\n" + " " * left + ("-> " if number == 0 else "   ") + line, style="default")
    console.print(text, soft_wrap=True, highlight=False)
