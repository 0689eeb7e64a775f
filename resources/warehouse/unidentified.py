"""People whom the table names in a session, and whom a pull counts as nobody.

Kaltura looks people up when it is asked. Of a user who has been deleted there, or where a look-up failed, all four fields
come empty, and the minutes are in the row of nobody. Who is known stays known: the row stays as it is, and nobody's has
its minutes no more. Who is not listed any more, without nobody having more minutes than before, is gone; so is who came
under another id, with the same name and e-mail. Where others were there unknown meanwhile, for as long, and no name tells,
nobody can say which it was: the known one stays, the minutes add up, and it is said (`people_kept`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from resources.privacy.pseudonyms import NOBODY
from resources.table import Merge, Table

ROUNDING_MINUTES = 5 / 60  # Kaltura counts views in events of ten seconds: half of one is none

MINUTES, RATIO, PLACE, GROWN, IS_THEIRS = "minutes", "ratio", "place", "grown", "is theirs"
BEFORE, IS_NEW = " before", "is new"


@dataclass(frozen=True)
class StillIdentified:
    """`keys` of the rows that stay; `arrived` without the minutes that are theirs, and without rows that had no others."""

    keys: pd.DataFrame
    arrived: pa.Table = field(repr=False)


def still_identified(arrived: pa.Table, existing: pa.Table, gone: pa.Table, table: Table) -> StillIdentified | None:
    """Of `gone`, keys of rows of `existing` that did not arrive, those whose minutes nobody has now. None: there are none."""
    if not gone.num_rows or not table.keyed_by_person or not _figures(table):
        return None
    key, session, person = list(table.key), list(table.session_key), table.keyed_by_person[0]
    there = _read(existing, gone, table)
    lost = there.merge(gone.select(key).to_pandas(), on=key)
    lost = lost[~lost[person].isin(NOBODY)].fillna({MINUTES: 0.0})
    now = _read(arrived, gone, table).merge(
        there[[*key, MINUTES, RATIO]], "left", key, indicator=IS_NEW, suffixes=("", BEFORE)
    )
    now[IS_NEW] = now[IS_NEW] == "left_only"
    lost = lost[~_came_under_another_id(lost, now[now[IS_NEW]], table)]
    now = now[now[person].isin(NOBODY)]
    # Where it is not known how many minutes nobody has, they may be anybody's.
    now[GROWN] = now[MINUTES].fillna(math.inf) - now[MINUTES + BEFORE].fillna(0.0)
    before = there[there[person].isin(NOBODY)].groupby(session)[MINUTES].sum()
    nobodies = dict(iter(now.groupby(session)))
    kept, less = [], []
    for where, people in lost.groupby(session):
        if where in nobodies:
            growth = nobodies[where][MINUTES].fillna(math.inf).sum() - before.get(where, 0.0)
            stay = _taken_up(people, growth, key)
            if not stay.empty:
                kept.append(stay)
                less.append(_less(nobodies[where], stay))
    if not kept:
        return None
    return StillIdentified(pd.concat(kept)[key].astype("str"), _changed(arrived, pd.concat(less), table))


def _read(rows: pa.Table, gone: pa.Table, table: Table) -> pd.DataFrame:
    """The keys and figures of the rows of the sessions of `gone`, with their place among all."""
    of_session = table.session_key[-1]
    wanted = pc.is_in(rows[of_session].cast(pa.large_string()), gone[of_session].cast(pa.large_string()))
    places = pc.indices_nonzero(wanted)
    minutes, ratio = _figures(table)
    names = [*table.key, *table.personal_columns, minutes, ratio]
    frame: pd.DataFrame = rows.select(names).take(places).to_pandas()
    return frame.rename(columns={minutes: MINUTES, ratio: RATIO}).assign(**{PLACE: places.to_numpy()})


def _figures(table: Table) -> Sequence[str]:
    """The column that adds up over people, and the ratio that it weighs."""
    adds_up = {column.name for column in table.columns if column.merges_by is Merge.SUM}
    return next(([each.weighted_by, each.name] for each in table.columns if each.weighted_by in adds_up), [])


def _came_under_another_id(lost: pd.DataFrame, new: pd.DataFrame, table: Table) -> pd.Series:
    """Whether somebody who is new in the session has the name and e-mail. Of who has neither nothing is told."""
    names = list(table.personal_columns)
    named = new[new[names].notna().any(axis=1)]
    known_by = [*table.session_key, *names]
    theirs, found = (pd.MultiIndex.from_frame(rows[known_by].fillna("")) for rows in (lost, named))
    return pd.Series(theirs.isin(found), index=lost.index)


def _taken_up(people: pd.DataFrame, growth: float, key: Sequence[str]) -> pd.DataFrame:
    """As many of the people as have their minutes in what nobody has more than before, those with the fewest first.

    Who has none may be among nobody at any time.
    """
    in_order = people.sort_values([MINUTES, *key])
    return in_order[in_order[MINUTES].cumsum() <= max(growth, 0.0) + ROUNDING_MINUTES]


def _less(nobodies: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """The rows of nobody without the people's minutes: what has grown most gives first. What is not known stays so.

    What such a row has, be it nothing, is that of people who stay: some was taken, or they had none.
    """
    left = math.fsum(people[MINUTES])
    engaged = math.fsum((people[MINUTES] * people[RATIO]).fillna(0.0)) / left if left else 0.0
    rows = nobodies.sort_values(GROWN, ascending=False).assign(
        **{IS_THEIRS: bool((people[MINUTES] < ROUNDING_MINUTES).any())}
    )
    for at, row in rows.iterrows():
        taken = 0.0 if math.isnan(row[MINUTES]) else min(left, row[MINUTES])
        rest = row[MINUTES] - taken
        if taken and abs(rest - row[MINUTES + BEFORE]) < ROUNDING_MINUTES:  # but for the last digit of a sum
            rest, rows.loc[at, RATIO] = row[MINUTES + BEFORE], row[RATIO + BEFORE]
        elif taken and rest > 0:
            rows.loc[at, RATIO] = min(max((row[MINUTES] * row[RATIO] - taken * engaged) / rest, 0.0), 1.0)
        rows.loc[at, MINUTES] = rest
        if taken:
            rows.loc[at, IS_THEIRS] = True
        left -= taken
    return rows


def _changed(arrived: pa.Table, less: pd.DataFrame, table: Table) -> pa.Table:
    """`arrived` with the figures of nobody's rows as they are in `less`, and without those of which nothing is left."""
    for name, values in zip(_figures(table), (less[MINUTES], less[RATIO]), strict=True):
        column = arrived[name].to_numpy().copy()
        column[less[PLACE]] = values
        arrived = arrived.set_column(arrived.schema.get_field_index(name), name, pa.array(column, from_pandas=True))
    has_more = np.ones(arrived.num_rows, "bool")
    has_more[less.loc[less[IS_NEW] & less[IS_THEIRS] & (less[MINUTES] < ROUNDING_MINUTES), PLACE]] = False
    return arrived.filter(pa.array(has_more))
