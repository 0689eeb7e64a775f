"""The five dashboards."""

from pipelines.dashboards.completeness import COMPLETE
from pipelines.dashboards.courses import COURSES, ROOMS
from pipelines.dashboards.glance import GLANCE
from pipelines.dashboards.people import PEOPLE

BOARDS = (GLANCE, COURSES, ROOMS, PEOPLE, COMPLETE)
