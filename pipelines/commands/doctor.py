"""`doctor`: does the account behave as docs/kaltura-api.md says, and if not, what to change."""

import json
import logging
import sys

import click

from pipelines.command_line import Command


@click.command(cls=Command)
@click.option("--json", "wants_json", is_flag=True, help="Print a document for a ticket to Kaltura's support.")
@click.pass_context
def command(ctx: click.Context, wants_json: bool) -> None:
    """Examine the Kaltura account that the settings name. Changes nothing. Exit code 1 if something failed."""
    from rich.console import Console

    from resources.kaltura.doctor import COLOURS, Visit, shown

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    visit, findings = Visit(), []
    console = Console(quiet=wants_json)
    console.print(f"Kaltura account: {visit.account}\n", highlight=False)
    for finding in visit.findings():
        findings.append(finding)
        shown(finding, console)
    verdicts = [finding.verdict for finding in findings]
    if wants_json:
        click.echo(json.dumps(visit.document(findings), indent=2))
    requests = len(visit.doctor.asked) if visit.doctor else 0
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in COLOURS if verdict in verdicts)
    console.print(f"\n{counts}; {requests} report requests", highlight=False)
    ctx.exit(1 if "failed" in verdicts else 0)
