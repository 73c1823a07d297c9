"""How the processes of a run meet, and what they are told where they do not."""
from amd_mm.meeting.interfaces import require_reach
from amd_mm.meeting.meeting import CHECK, MEETING_TIMEOUT, Meeting, Unmet, begin, current
from amd_mm.meeting.place import Place

__all__ = [
    'CHECK', 'MEETING_TIMEOUT', 'Meeting', 'Place', 'Unmet', 'begin', 'current', 'require_reach']
