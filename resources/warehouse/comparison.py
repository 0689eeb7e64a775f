"""What of a pull is new to a table, what is to be compared with it, what differs, and what is gone.

The rules of who overwrites whom are `Resolution`'s. Rows are compared in Arrow, column by column.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from resources.arrivals import Pull
from resources.postgres import copy as copying
from resources.table import Column, Kind, Table
from resources.warehouse.statements import PARTITION_DATE, TableStatements
from resources.warehouse.unidentified import still_identified

_REACH = ("window_end", "ends_at")  # a session's rows are known up to the earlier of the two


@dataclass(frozen=True)
class Resolution:
    """Which rows of a pull go straight in, which are compared, and how many bow to what the table has.

    A session's rows are known up to `min(window_end, ends_at)`. A pull that knows a session less far than the table
    does not touch it; one that knows it further takes it; of two that know it equally, the later pull. A pull
    that was restricted to some people knows of their rows alone, and of nobody else's: such `partial` rows are judged
    one by one. `kept` are the keys of those that the pull does not touch.
    """

    fresh: pa.Table
    to_compare: pa.Table
    stale: int
    kept: pd.DataFrame

    @classmethod
    def on(
        cls, rows: pa.Table, existing: pd.DataFrame, partial: pd.DataFrame, table: Table, pull: Pull
    ) -> "Resolution":
        nothing = partial.iloc[:0][list(table.key)]
        if existing.empty:
            return cls(rows, rows.slice(0, 0), 0, nothing)
        session_key = list(table.session_key)
        known = rows.select([*session_key, *_REACH]).to_pandas().merge(existing, on=session_key, how="left")
        is_new = (known["is_there"] != True).to_numpy()  # noqa: E712 (missing where the session is)
        stale = ~is_new & _knows_less(known, pull)
        if partial.empty:
            return cls(_where(rows, is_new), _where(rows, ~is_new & ~stale), int(stale.sum()), nothing)
        reach = known.groupby(session_key, as_index=False)[list(_REACH)].max()
        of_pull = partial.merge(reach, on=session_key)
        kept = of_pull.loc[_knows_less(of_pull, pull), list(table.key)]
        keys, kept_keys = (pd.MultiIndex.from_frame(each) for each in (rows.select(table.key).to_pandas(), kept))
        stale = stale | (keys.isin(kept_keys) & ~is_new)
        return cls(_where(rows, is_new), _where(rows, ~is_new & ~stale), int(stale.sum()), kept)


def _where(rows: pa.Table, wanted: "npt.NDArray[np.bool_]") -> pa.Table:
    """As `filter`, without a copy where all or none are wanted: of 100,000 rows it takes 25 MB."""
    if wanted.all():
        return rows
    return rows.filter(wanted) if wanted.any() else rows.slice(0, 0)


def _knows_less(known: pd.DataFrame, pull: Pull) -> "npt.NDArray[np.bool_]":
    """Whether a pull knows less than what is there. Where nothing is known of what is there, it does not."""
    reach = known[list(_REACH)].min(axis=1)
    existing_reach = known[["existing_until", "ends_at"]].min(axis=1).where(known["existing_until"].notna())
    is_older = (reach == existing_reach) & (known["existing_pull"] > pull.number)
    return ((reach < existing_reach) | is_older).to_numpy()


@dataclass(frozen=True)
class Difference:
    """How the rows that arrived of some sessions differ from those that the table has of them.

    Attributes:
        differing: rows that the table has with other values.
        missing: rows that the table lacks.
        vanished: keys of rows of the table that did not arrive and go.
        spared: how many of those that did not arrive stay, because an unreadable line may be theirs (`listed`, whose keys are
            null as far as they could not be read) or because Kaltura no longer identifies the person.
        unnamed: how many of the spared are of the second kind.
        superseded: rows of nobody that say nothing else.
        elsewhere: keys of rows that did not arrive, whatever becomes of them, and are on another day than their session.
    """

    differing: pa.Table
    missing: pa.Table
    vanished: pa.Table
    spared: int
    unnamed: int = 0
    superseded: int = 0
    elsewhere: pa.Table | None = None

    @classmethod
    def between(
        cls,
        arrived: pa.Table,
        existing: pa.Table,
        listed: Sequence[pd.DataFrame],
        merge: TableStatements,
        day: dt.date,
        *,
        knows_people: bool,
    ) -> "Difference":
        """`existing` is what `TableStatements.existing_rows` returned for the sessions of `arrived`.

        `knows_people`: whether those whom it names stay where they came as nobody.
        """
        key = merge.table.key
        keys, existing_keys = joined(arrived, key), joined(existing, key)
        is_vanished = pc.invert(pc.is_in(existing_keys, keys))
        vanished = existing.select(list(key)).filter(is_vanished)
        gone = vanished
        for those in listed:
            gone = gone.filter(pc.invert(_fitting(gone, those)))
        if knows_people and (found := still_identified(arrived, existing, gone, merge.table)):
            rest = cls.between(found.arrived, existing, [*listed, found.keys], merge, day, knows_people=False)
            superseded = arrived.num_rows - found.arrived.num_rows
            return replace(rest, unnamed=len(found.keys), superseded=superseded)
        place = pc.index_in(keys, existing_keys)
        is_there, was_at = place.is_valid(), place.drop_null()
        of_day = pc.equal(existing[PARTITION_DATE], str(day))
        same = pc.and_(of_day.take(was_at), _says_the_same(arrived, is_there, existing, was_at, merge))
        return cls(
            differing=arrived.take(pc.indices_nonzero(is_there).filter(pc.invert(same))),
            missing=arrived.filter(place.is_null()),
            vanished=gone,
            spared=vanished.num_rows - gone.num_rows,
            elsewhere=vanished.filter(pc.invert(of_day.filter(is_vanished))),
        )


def _says_the_same(
    arrived: pa.Table, is_there: pa.ChunkedArray, existing: pa.Table, was_at: pa.ChunkedArray, merge: TableStatements
) -> pa.ChunkedArray:
    """Of the rows that are there, whether they hold nothing that the existing ones, at their places, do not."""
    same = pa.scalar(True)
    stays = merge.table.staying_known
    for name, kind in merge.compared.items():  # a column at a time: both sides whole are twice the day in memory
        is_now = copying.comparable(arrived[name].filter(is_there), kind)
        says_so = _equal(is_now, existing[name].take(was_at))
        if name in stays:  # where what it is `known_with` is another, the row differs in that
            says_so = pc.or_(says_so, _says_nothing(is_now, stays[name]))
        same = pc.and_(same, says_so)
    return same


def _fitting(keys: pa.Table, listed: pd.DataFrame) -> pa.Array:
    """Which of the keys may be one of those listed: equal in all that is not null there."""
    fits = pa.array([False] * keys.num_rows, pa.bool_())
    if listed.empty or not keys.num_rows:
        return fits
    readable = listed.notna()
    for pattern, of_pattern in listed.groupby([readable[name] for name in listed.columns]):
        names = [name for name, is_readable in zip(listed.columns, pattern, strict=True) if is_readable]
        if not names:
            return pa.array([True] * keys.num_rows, pa.bool_())
        wanted = joined(copying.as_arrow(of_pattern[names]), names)
        fits = pc.or_(fits, pc.is_in(joined(keys, names), wanted))
    return fits


def joined(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """One text a row, in the order of the collation "C". NUL parts the values: no text of Postgres's holds one."""
    columns = (copying.comparable(rows[name], Kind.TEXT) for name in names)
    return pc.binary_join_element_wise(*columns, pa.scalar("\0", pa.large_string()))


def _equal(left: pa.Array, right: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.coalesce(pc.equal(left, right), pc.and_(left.is_null(), right.is_null()))


def _says_nothing(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    unsaid = pa.array(column.unsaid, pa.large_string())
    return pc.or_(values.is_null(), pc.is_in(values, unsaid)) if column.unsaid else values.is_null()


def known_rows(rows: Sequence[tuple[Any, ...]], key: Sequence[str], more: Sequence[str]) -> pd.DataFrame:
    """Rows of a query whose columns are a key and `more`: until when they are known, and by which pull."""
    if not rows:  # as for each new day, and pandas takes milliseconds to make nothing
        return _nothing_known(tuple(key), tuple(more)).copy()
    return _typed(pd.DataFrame(rows, columns=[*key, *more]), key)


@cache
def _nothing_known(key: tuple[str, ...], more: tuple[str, ...]) -> pd.DataFrame:
    return _typed(pd.DataFrame([], columns=[*key, *more]), key)


def _typed(known: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    known = known.astype(dict.fromkeys(key, "str"))
    known["existing_until"] = pd.to_datetime(known["existing_until"], utc=True).astype("datetime64[us, UTC]")
    known["existing_pull"] = known["existing_pull"].astype("float64").fillna(0)  # 0: no load wrote the row
    return known
