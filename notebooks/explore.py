"""Explore the views of `analytics` with filters: which account, which days, which rooms.

    make notebook                              # in a browser
    .venv/bin/marimo edit notebooks/explore.py # to change it
    .venv/bin/python notebooks/explore.py      # as a script, which prints the tables

It reads the configured warehouse and writes nothing. No person is named in it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Kaltura rooms")

with app.setup:
    import datetime as dt
    import sys
    from pathlib import Path

    import marimo as mo
    import pandas as pd

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

    import matplotlib as mpl
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    from resources.postgres.url import database_url
    from resources.settings import load_env_file
    from resources.warehouse.warehouse import Warehouse

    load_env_file()
    BLUE, GREY = "#0b5aa6", "#c8cdd3"


@app.cell
def _():
    warehouse = Warehouse(database_url())

    def table(query: str, *parameters: object) -> pd.DataFrame:
        """A query's rows, read in a transaction that can't write."""
        with warehouse.reading() as connection:
            cursor = connection.execute(query.encode(), parameters)
            return pd.DataFrame(cursor.fetchall(), columns=[each.name for each in cursor.description or ()])

    return (table,)


@app.cell
def _(table):
    accounts = table(
        "SELECT account_id, min(first_date) AS first_date, max(last_date) AS last_date"
        " FROM analytics.data_freshness GROUP BY account_id ORDER BY account_id"
    )
    mo.stop(accounts.empty, mo.md("**Nothing has been loaded yet.** Run `make run` first."))
    return (accounts,)


@app.cell
def _(accounts):
    account = mo.ui.dropdown(
        {str(each): int(each) for each in accounts["account_id"]},
        value=str(accounts["account_id"].iloc[0]),
        label="Account",
    )
    return (account,)


@app.cell
def _(account, accounts):
    known = accounts[accounts["account_id"] == account.value].iloc[0]
    days = mo.ui.date_range(
        start=known["first_date"],
        stop=known["last_date"],
        value=(max(known["first_date"], known["last_date"] - dt.timedelta(days=27)), known["last_date"]),
        label="Days",
    )
    return (days,)


@app.cell
def _(account, days, table):
    names = table(
        "SELECT room_id, (array_agg(room_name ORDER BY started_at DESC))[1] AS room_name FROM analytics.sessions"
        " WHERE account_id = %s AND session_date BETWEEN %s AND %s AND NOT is_breakout"
        " GROUP BY room_id ORDER BY room_name, room_id",
        account.value,
        *days.value,
    )
    rooms = mo.ui.multiselect(
        {f"{row.room_name or 'unnamed'} ({row.room_id})": row.room_id for row in names.itertuples()},
        label="Rooms (none: all)",
    )
    return (rooms,)


@app.cell
def _(account, days, rooms):
    mo.vstack([mo.md("# Kaltura rooms"), mo.hstack([account, days, rooms], justify="start", gap=2, wrap=True)])
    return


@app.cell
def _(account, days, table):
    calendar = table(
        "SELECT session_date, is_session_loaded, is_session_loaded AND is_attendance_loaded AS is_loaded"
        " FROM analytics.calendar WHERE account_id = %s AND session_date BETWEEN %s AND %s ORDER BY session_date",
        account.value,
        *days.value,
    ).astype({"is_session_loaded": bool, "is_loaded": bool})
    return (calendar,)


@app.cell
def _(account, calendar, days, rooms, table):
    sessions = table(
        "SELECT session_date, started_at, room_id, room_name, duration_minutes, people_count, total_minutes,"
        " weighted_engagement_ratio, is_provisional FROM analytics.sessions WHERE account_id = %s"
        " AND session_date BETWEEN %s AND %s AND NOT is_breakout AND (%s OR room_id = ANY(%s))"
        " AND session_date = ANY(%s) ORDER BY started_at",
        account.value,
        *days.value,
        not rooms.value,
        list(rooms.value),
        list(calendar["session_date"][calendar["is_session_loaded"]]),
    )
    people = table(
        "SELECT session_date, count(DISTINCT person_id) AS people_count FROM analytics.attendance"
        " WHERE account_id = %s AND session_date BETWEEN %s AND %s AND NOT is_breakout AND is_identified"
        " AND (%s OR room_id = ANY(%s)) AND session_date = ANY(%s) GROUP BY session_date ORDER BY session_date",
        account.value,
        *days.value,
        not rooms.value,
        list(rooms.value),
        list(calendar["session_date"][calendar["is_loaded"]]),
    )
    return people, sessions


@app.function
def hours(minutes: pd.Series) -> float:
    """What the minutes of sessions add up to; no number where they are 0 but for some that are not known."""
    known = minutes.dropna().astype(float)
    return round(known.sum() / 60, 1) if known.any() or len(known) == len(minutes) else float("nan")


@app.cell
def _(calendar, sessions):
    _missing = int((~calendar["is_loaded"]).sum())
    _note = (
        f"Of {_missing} of the {len(calendar)} days sessions or attendees are not loaded: what is not is in no figure."
    )
    if _missing:
        print(_note)
    _hours = hours(sessions["total_minutes"])
    _provisional = int(sessions["is_provisional"].sum())
    _stats = [
        mo.stat(f"{len(sessions):,}", label="sessions"),
        mo.stat(f"{sessions['room_id'].nunique():,}", label="rooms"),
        mo.stat("not known" if pd.isna(_hours) else f"{_hours:,.0f}", label="hours attended"),
        mo.stat(f"{_provisional:,}", label="sessions still provisional"),
    ]
    mo.vstack([mo.hstack(_stats, justify="start", gap=2), mo.md(_note if _missing else "")])
    return


@app.function
def bars(title: str, values: pd.Series) -> Figure:
    """One bar a value, grey where there is none, as a figure that no global state of matplotlib holds on to."""
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False}):
        figure = Figure(figsize=(9, 2.6), layout="constrained")
        axes = figure.add_subplot()
        axes.bar(list(values.index), values.to_numpy(dtype=float, na_value=float("nan")), color=BLUE)
        unknown = list(values.index[values.isna()])
        axes.bar(unknown, 1, width=1, color=GREY, transform=axes.get_xaxis_transform())
        axes.set_title(f"{title} (grey: not loaded)" if unknown else title, loc="left", fontweight="bold")
        if len(values) and isinstance(values.index[0], dt.date):
            locator = AutoDateLocator(maxticks=10)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    return figure


@app.function
def by_day(counts: pd.Series, calendar: pd.DataFrame, loaded: str) -> pd.Series:
    """The counts of all days: 0 where nothing was, and no number where the day is not loaded."""
    days = pd.Index(calendar["session_date"], name="day")
    return counts.reindex(days).fillna(0).astype("Int64").where(calendar[loaded].to_numpy())


@app.cell
def _(calendar, people, sessions):
    daily = pd.DataFrame(
        {
            "sessions": by_day(sessions.groupby("session_date").size(), calendar, "is_session_loaded"),
            "people": by_day(people.set_index("session_date")["people_count"], calendar, "is_loaded"),
        }
    )
    print(daily.astype(object).where(daily.notna(), "not loaded").to_string())
    mo.vstack([bars("Sessions a day", daily["sessions"]), bars("People a day", daily["people"])])
    return


@app.cell
def _(sessions):
    _bands = (sessions["weighted_engagement_ratio"].dropna().astype(float) * 10).astype(int).clip(upper=9)
    _counts = _bands.value_counts().reindex(range(10), fill_value=0)
    _counts.index = pd.Index([f"{10 * band}\N{EN DASH}{10 * band + 10} %" for band in _counts.index])
    bars("Sessions by engagement", _counts)
    return


@app.cell
def _(sessions):
    busiest = (
        sessions.groupby("room_id")
        .agg(
            room=("room_name", "last"),
            sessions=("room_id", "size"),
            hours=("total_minutes", hours),
            mean_people=("people_count", lambda counts: round(float(counts.mean()), 1)),
        )
        .sort_values("hours", ascending=False)
        .reset_index(drop=True)
    )
    print(busiest.head(20).to_string(index=False))
    mo.ui.table(busiest, label="Rooms by time spent in them")
    return


if __name__ == "__main__":
    app.run()
