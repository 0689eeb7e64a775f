"""A frame is of its stage, or that is said at once."""

import pandas as pd
import pytest

from assets.pull.stages import DATED, LOADED, NORMALIZED, RECEIVED, Stage

STAGES = (NORMALIZED, RECEIVED, DATED, LOADED)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_frame_that_lacks_a_column_of_its_stage_is_refused_by_name(stage: Stage) -> None:
    whole = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in stage.columns.items()})
    assert stage.of(whole) is whole
    for name in stage.columns:
        with pytest.raises(TypeError, match=f"{stage.name} lacks \\['{name}'\\]"):
            stage.of(whole.drop(columns=name))


def test_a_row_keeps_on_its_way_what_it_was_given() -> None:
    assert NORMALIZED.columns.items() <= RECEIVED.columns.items() <= DATED.columns.items()
    assert LOADED.columns.items() < DATED.columns.items()
