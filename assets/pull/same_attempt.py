"""The runs of one attempt: a run, and those before it that it retries, back to the last one that had succeeded.

What they have loaded is not pulled again. What a run before them had loaded is: whoever executes a run again that had
succeeded wants its days anew, and a retry of that one wants the same.
"""

import dagster as dg


def runs(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Their ids, the newest first. One that is in no history any more may have succeeded: it ends the attempt, too."""
    found = [run.run_id]
    parent_id = run.parent_run_id
    while parent_id and parent_id not in found:
        parent = instance.get_run_by_id(parent_id)
        if parent is None or parent.is_success:
            break
        found.append(parent_id)
        parent_id = parent.parent_run_id
    return found
