"""`python -m pipelines COMMAND`: the one way in from a shell."""

import sys

from resources.runtime import interrupts
from resources.runtime.printable import escape_what_encodings_lack

escape_what_encodings_lack(sys.stdout, sys.stderr)
interrupts.leave_no_traceback()
with interrupts.sent_until_heard():
    try:
        from pipelines.command_line import front_door
    except KeyboardInterrupt:  # before there is anybody at the door to say what stands
        print("\nStopped. Nothing was begun.", file=sys.stderr)
        sys.exit(130)

    if __name__ == "__main__":
        front_door(prog_name="python -m pipelines")
