"""Rows that share one key become one: what stands of each column follows from its rule in the declaration.

A day's rows are merged once all of them are together, typed and with their day.
"""

from typing import Any

import numpy as np
import pandas as pd

from assets.pull.stages import COLUMN, EXTRA, names_column
from assets.report import Report
from resources.privacy.pseudonyms import NOBODY
from resources.table import FIGURES, Merge


def merged(frame: pd.DataFrame, report: Report) -> pd.DataFrame:
    """One row a key. Kaltura groups by an internal user number, so one `user_id` can come several times (section 4).

    What stands of a column is its rule, `merges_by`. Of people without an id, who are several, no name stands that is not
    the name of them all. A figure that one of the rows has lost is lost.
    """
    key = list(report.table.key)
    repeated = frame.duplicated(key, keep=False)
    if not repeated.any():
        return frame
    once, rest = frame[~repeated], frame[repeated]
    return pd.concat([once, _merge(rest, report, key)], ignore_index=True)


def _merge(rows: pd.DataFrame, report: Report, key: list[str]) -> pd.DataFrame:
    groups = rows.groupby(key, sort=False, dropna=False)
    merged = groups.max().drop(columns=[COLUMN], errors="ignore")
    for column in report.table.columns:
        match column.merges_by:
            case Merge.SUM:
                merged[column.name] = _sums(rows[column.name], groups)
            case Merge.WEIGHTED:
                merged[column.name] = _weighted(rows, column.name, column.weighted_by, key)
            case Merge.EARLIEST if column.name in rows:
                merged[column.name] = groups[column.name].min()
            case Merge.LATEST if column.name in rows:
                running = rows[column.name].isna().groupby([rows[name] for name in key], sort=False).any()
                merged[column.name] = merged[column.name].mask(running)
    for column in report.table.columns:
        if column.merges_by is Merge.SPAN and column.name in rows:
            merged[column.name] = (merged["session_end_time"] - merged["session_start_time"]).dt.total_seconds()
    _forget_names_of_nobody(merged, groups, report)
    _forget_lost_figures(merged, rows, report)
    return merged.reset_index().reindex(columns=rows.columns).astype(rows.dtypes.to_dict())


def _forget_names_of_nobody(merged: pd.DataFrame, groups: Any, report: Report) -> None:
    """Several people share an empty id: what they do not share is said of none of them."""
    person = next(iter(report.table.keyed_by_person), None)
    if person is None:
        return
    nobody = merged.index.get_level_values(person).isin(NOBODY)
    for name in (*report.table.personal_columns, EXTRA):
        if name in merged and nobody.any():
            merged[name] = merged[name].mask(nobody & (groups[name].nunique(dropna=False) > 1))


def _forget_lost_figures(merged: pd.DataFrame, rows: pd.DataFrame, report: Report) -> None:
    """The sum of some of a person's minutes is not their minutes, nor is a ratio theirs that lacks a part's weight."""
    if COLUMN not in rows or not rows[COLUMN].notna().any():
        return
    for column in report.table.columns:
        if column.kind in FIGURES:
            lost = names_column(rows[COLUMN], column.name)
            if column.weighted_by:
                lost = lost | names_column(rows[COLUMN], column.weighted_by)
            merged[column.name] = merged[column.name].mask(lost.groupby([rows[n] for n in report.table.key]).any())


def _weighted(rows: pd.DataFrame, ratio: str, weight: str, key: list[str]) -> pd.Series:
    """The mean of `ratio` by `weight`; where all weights are 0, the plain mean."""
    weights = rows[weight].astype("float64").fillna(0.0).where(rows[ratio].notna(), 0.0)
    table = rows[key].assign(product=rows[ratio].fillna(0.0) * weights, weight=weights, plain=rows[ratio])
    groups = table.groupby(key, sort=False, dropna=False)
    total = _sums(table["weight"], groups)
    plain = _sums(table["plain"], groups) / groups["plain"].count()
    return (_sums(table["product"], groups) / total).where(total > 0, plain).clip(0, 1)


def _sums(values: pd.Series, groups: Any) -> pd.Series:
    """The sum of each group's values, NaN of none. Of the same values it is the same to the last digit.

    A sum of floats depends on their order, and the order of rows on how a day had to be split. pandas' own was seen to
    depend on the rows of other groups between, whatever the order.
    """
    known = values.notna().to_numpy()
    of_group, summands = groups.ngroup().to_numpy()[known], values.to_numpy("float64", na_value=np.nan)[known]
    order = np.lexsort((summands, of_group))
    of_group, summands = of_group[order], summands[order]
    starts = np.flatnonzero(np.diff(of_group, prepend=-1))
    sums = np.full(groups.ngroups, np.nan)
    if len(starts):
        sums[of_group[starts]] = np.add.reduceat(summands, starts)
    return pd.Series(sums, index=groups.size().index)
