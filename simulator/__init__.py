"""A stand-in Kaltura: the real report protocol over real HTTP, about a listed world or an invented university.

with serving(ListedWorld(sessions, breakouts, views)) as kaltura:
    ...  # ask kaltura.base_url, break it with kaltura.faults.add(Fault("timeout")), read kaltura.requests
"""

from simulator.faults import Fault, Faults
from simulator.lists import lists
from simulator.running import Request, Running
from simulator.server import serving
from simulator.tokens import DEMO, Credentials
from simulator.university import University
from simulator.viewing import Event, User, View, Viewing, events
from simulator.world import Activity, Breakout, ListedWorld, Session, World

__all__ = [
    "DEMO",
    "Activity",
    "Breakout",
    "Credentials",
    "Event",
    "Fault",
    "Faults",
    "ListedWorld",
    "Request",
    "Running",
    "Session",
    "University",
    "User",
    "View",
    "Viewing",
    "World",
    "events",
    "lists",
    "serving",
]
