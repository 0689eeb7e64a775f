"""What a table is made of: the one shape that parsing, loading, the UI and the drift test all read.

A column is described once (in `assets/room_sessions.py`, `attendees.py`, `breakout_sessions.py`): its words are those
of the UI and, by `make migrate`, of the database; everything that depends on its type is derived from its `Kind`.
"""

import enum
from dataclasses import dataclass

# How Kaltura writes the id of a session, a room or a person that it does not know, and each of their times.
UNKNOWN = ("", "0", "Unknown", "Error")
UNKNOWN_IN_WORDS = f"{', '.join(UNKNOWN[1:-1])} or {UNKNOWN[-1]}"  # but for the empty one

# Unix seconds at which a session can have started, 2000 to 2100. Milliseconds taken for seconds give the year 58132.
EARLIEST, LATEST = 946_684_800.0, 4_102_444_800.0


class Merge(enum.Enum):
    """What stands of a column where Kaltura sends several rows of one key."""

    GREATEST = "the greatest, so that the order of the rows does not matter"
    SUM = "the sum"
    WEIGHTED = "the mean, weighted by another column"
    EARLIEST = "the earliest"
    LATEST = "the latest, and none where one row has none"
    SPAN = "from the merged start to the merged end"


@dataclass(frozen=True, eq=False)
class _Traits:
    """What a kind of value is: in Postgres and in a frame, what is expected of Kaltura, its bounds, and how rows merge."""

    sql: str
    frame: str = "str"
    expected: str = ""
    least: float | None = None
    most: float | None = None
    merge: Merge = Merge.GREATEST


class Kind(enum.Enum):
    """What a column measures. Whatever depends on it is a field of its row here, or is asked of it by name."""

    TEXT = _Traits("text")
    # Counts of people: they do not add up, as a person may be in both. One that does is declared with Merge.SUM.
    COUNT = _Traits("integer", "Int64", "a whole number, 0 or more", least=0)
    MINUTES = _Traits("double precision", "float64", "minutes, 0 or more", least=0, merge=Merge.SUM)
    RATIO = _Traits("double precision", "float64", "0 to 1", least=0, most=1, merge=Merge.WEIGHTED)
    TIME = _Traits("timestamp with time zone", "datetime64[us, UTC]", "Unix seconds", merge=Merge.EARLIEST)
    SECONDS = _Traits("interval", "float64", "seconds", least=0, merge=Merge.SPAN)
    # Of our own columns only: no report has them.
    NUMBER = _Traits("bigint")
    DATE = _Traits("date")
    JSON = _Traits("jsonb")

    @property
    def sql(self) -> str:
        """Its type in Postgres."""
        return self.value.sql

    @property
    def frame(self) -> str:
        """Its type in pandas."""
        return self.value.frame

    @property
    def expected(self) -> str:
        """How Kaltura writes it, in words."""
        return self.value.expected

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Below and above which a value that was read is none."""
        return self.value.least, self.value.most


# What is measured: it depends on the window that a row was asked for with, and one that can't be read costs no row.
FIGURES = (Kind.COUNT, Kind.MINUTES, Kind.RATIO, Kind.SECONDS)
NEARLY_ALL = 0.9  # of rows: 0 in so many is no figure of anybody who was there


ID_BYTES = 512
TEXT_BYTES = 16_384


@dataclass(frozen=True)
class Column:
    """One column, named alike in Kaltura's report and in our table.

    `personal`: a name or an e-mail (or name or id, whichever there is), that Kaltura can be told to leave out.
    `person`: the id of a person, which becomes a pseudonym where `PII_MODE` asks for it. `nullable` is about the table:
    an empty value of a column that is not nullable makes the row unusable, unless `empty_is_a_value`. `optional`: not every
    account's replies have it; it is NULL where a reply has no such column. `merge`: another rule than the kind's own.
    `weighted_by`: of a mean, the column that it is weighted by. `stays_known`: Kaltura looks it up when it is asked, so that a
    later reply without it does not unsay what an earlier one had. `known_with`: of such a column, the one that it goes with;
    where a reply has another value of that, what was known is not known any more.
    """

    name: str
    kind: Kind
    description: str
    nullable: bool = True
    personal: bool = False
    person: bool = False
    empty_is_a_value: bool = False
    optional: bool = False
    merge: Merge | None = None
    weighted_by: str = ""
    stays_known: bool = False
    known_with: str = ""

    @property
    def comment(self) -> str:
        """What the database says of it."""
        while_same = f", as long as {self.known_with} is the same" if self.known_with else ""
        stays = f" Stays as it was known where a later pull brings none{while_same}." if self.stays_known else ""
        return f"{self.description}{stays}{' Personal data.' if self.personal or self.person else ''}"

    @property
    def is_id(self) -> bool:
        return self.person or self.name.endswith("_id")

    @property
    def is_one_line(self) -> bool:
        """Whether no value of it holds a line end: people type texts, and nothing else."""
        return self.is_id or self.kind is not Kind.TEXT

    @property
    def unsaid(self) -> tuple[str, ...]:
        """The texts that say nothing, beside NULL."""
        return UNKNOWN if self.is_id else ()

    @property
    def merges_by(self) -> Merge:
        return self.merge or self.kind.value.merge

    @property
    def most_bytes(self) -> int:
        """How long a text may be: three ids have to fit into one entry of an index, which ends at 2,704 bytes."""
        return ID_BYTES if self.is_id else TEXT_BYTES


@dataclass(frozen=True)
class Table:
    """A table of schema `kaltura` that one report fills.

    `key` and `session_key` leave out `partner_id`, which leads both. Rows that share a `session_key` come from one
    session: they are taken together, or not at all.
    """

    name: str
    report_id: int
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    session_key: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = set(self.key) - {column.name for column in self.columns}
        if unknown or not set(self.session_key) <= set(self.key):
            raise ValueError(f"{self.name}: the key names no column of the table: {sorted(unknown)}")
        unfit = [c.name for c in self.columns if c.optional and (not c.nullable or c.name in self.key)]
        if unfit:
            raise ValueError(f"{self.name}: a column that may be missing has to be nullable and no key: {unfit}")
        weights = {c.name: c.weighted_by for c in self.columns if c.merges_by is Merge.WEIGHTED}
        if lost := [name for name, weight in weights.items() if weight not in self.column_names]:
            raise ValueError(f"{self.name}: a mean names no column of the table as its weight: {lost}")
        tied = {c.name: c.known_with for c in self.columns if c.known_with}
        if loose := [name for name, other in tied.items() if other not in self.column_names]:
            raise ValueError(f"{self.name}: what stays known goes with no column of the table: {loose}")

    @property
    def comment(self) -> str:
        """What the database says of it."""
        return f"Report {self.report_id}. {self.description}"

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Those that every reply has to have."""
        return tuple(column.name for column in self.columns if not column.optional)

    @property
    def person_columns(self) -> tuple[str, ...]:
        """Those that hold the id of a person."""
        return tuple(column.name for column in self.columns if column.person)

    @property
    def keyed_by_person(self) -> tuple[str, ...]:
        """Those of them that are in the key: the names, e-mails and `extra` of a row are that person's."""
        return tuple(name for name in self.person_columns if name in self.key)

    @property
    def personal_columns(self) -> tuple[str, ...]:
        """Those that hold a name or an e-mail."""
        return tuple(column.name for column in self.columns if column.personal)

    @property
    def never_all_0(self) -> tuple[str, ...]:
        """Figures of people who were there: where every row has 0, none was read."""
        return tuple(column.name for column in self.columns if column.kind in (Kind.COUNT, Kind.MINUTES))

    @property
    def loose_personal_columns(self) -> tuple[str, ...]:
        """Personal columns of rows that have no id to say whose they are."""
        return () if set(self.person_columns) & set(self.key) else self.personal_columns

    @property
    def staying_known(self) -> dict[str, Column]:
        """By name, the columns of which a row without a value leaves the one that is there."""
        return {column.name: column for column in self.columns if column.stays_known}

    @property
    def rows_are_sessions(self) -> bool:
        return self.key == self.session_key
