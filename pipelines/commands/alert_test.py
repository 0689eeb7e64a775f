"""`alert-test`: a message to every channel that is set."""

import click

from pipelines.command_line import Command, Stopped
from pipelines.sensors.channels import HOW_TO, NotDelivered, attempt, channels, titled


@click.command(cls=Command)
def command() -> None:
    """Send a test message to every channel that is configured, and say what happened."""
    to = channels()
    if not to:
        raise Stopped(f"alert-test: no channel is set. {HOW_TO}")
    failed = []
    for channel in to:
        try:
            attempt(channel, titled("a test message"), ["If you can read this, alerts arrive. Nothing is wrong."])
            click.echo(f"{channel.name}: it took the message. See whether it has arrived.")
        except NotDelivered as error:
            failed.append(str(error))
    if failed:
        raise Stopped("\n".join(failed))
