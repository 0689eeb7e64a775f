"""`python -m pipelines COMMAND`: the one way in from a shell."""

from pipelines.command_line import front_door

if __name__ == "__main__":
    front_door(prog_name="python -m pipelines")
