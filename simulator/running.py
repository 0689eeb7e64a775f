"""A stand-in at work: the switches that say how it behaves, and the record of what it has been asked."""

import time
from dataclasses import dataclass, field

from simulator.faults import Faults
from simulator.params import BreakoutDates
from simulator.tokens import DEMO, Credentials, Tokens
from simulator.wire import EmptyReport
from simulator.world import World

DEFAULT_ROW_CAP = 100_000


@dataclass(frozen=True)
class Request:
    """A report request as it arrived, without its KS."""

    report_id: int | None
    params: dict[str, str]
    rows: int | None  # None where the reply was no report
    at: float
    method: str
    outcome: str  # "ok", or the error's code or the fault's kind
    excluded_fields: tuple[str, ...] = ()


@dataclass
class Running:
    """A stand-in at work: how it behaves, which may be changed at any time, and what it has been asked."""

    world: World
    credentials: Credentials = DEMO
    now: float | None = None  # the time at which reports are drawn; None is the real time
    clock_ahead_seconds: float = 0.0  # of its replies' Date, against the real time
    row_cap: int = DEFAULT_ROW_CAP
    delay_seconds: float = 0.0
    empty_report: EmptyReport = "newline"
    quote_names: bool = False
    thins_breakouts: bool = True  # 6002 finds all rooms, and keeps the breakouts alone once the cap was applied
    breakout_dates: BreakoutDates = "both"  # which spelling of its dates report 6002 knows
    may_report: bool = True  # whether the account's sessions hold the permission for reports
    base_url: str = ""
    faults: Faults = field(default_factory=Faults)
    requests: list[Request] = field(default_factory=list)
    session_calls: list[str] = field(default_factory=list)
    tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = Tokens(self.credentials, may_report=self.may_report)

    @property
    def partner_id(self) -> int:
        return self.credentials.partner_id

    @property
    def admin_secret(self) -> str:
        return self.credentials.admin_secret

    @property
    def app_token_id(self) -> str:
        return self.credentials.app_token_id

    @property
    def app_token(self) -> str:
        return self.credentials.app_token

    @property
    def clock(self) -> float:
        return time.time() if self.now is None else self.now
