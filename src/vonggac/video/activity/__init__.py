"""When more happened before a camera than is usual there: noted by its recorder, or said by the camera itself.

`between` for a timeline, `latest` for whoever wants to know what changed.
"""

from vonggac.video.activity.models import Activity, Source
from vonggac.video.activity.service import Episode, between, latest, note, prune

__all__ = ["Activity", "Episode", "Source", "between", "latest", "note", "prune"]
