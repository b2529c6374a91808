"""Fragmented MP4: written group by group, read back, cut without re-encoding (docs/design/recording-format.md).

`timing` makes decode times, `boxes` the bytes before each group, `group_table` what the database row keeps of them,
`reader` reads files back after a crash, `clip` joins groups of many files into one. Bytes in, values out: files are
opened, written and synced by whoever calls.
"""

from vonggac.video.mp4.boxes import fragment_header, init_segment
from vonggac.video.mp4.clip import ClipGap, ClipPart, ClipPlan, ClipReport, plan_clip, write_clip
from vonggac.video.mp4.codec import codec_string
from vonggac.video.mp4.errors import ClipRefused, RecordingDamaged, UnusableParameters
from vonggac.video.mp4.group_table import GroupEntry
from vonggac.video.mp4.reader import Sample, ScannedGroup, ScannedRecording, read_init, read_samples, scan
from vonggac.video.mp4.sound import SoundFrames
from vonggac.video.mp4.timing import (
    DEFAULT_DURATION,
    FragmentTiming,
    decode_times,
    nominal_duration,
    reorder_delay,
    time_fragment,
)

__all__ = [
    "DEFAULT_DURATION",
    "ClipGap",
    "ClipPart",
    "ClipPlan",
    "ClipRefused",
    "ClipReport",
    "FragmentTiming",
    "GroupEntry",
    "RecordingDamaged",
    "Sample",
    "ScannedGroup",
    "ScannedRecording",
    "SoundFrames",
    "UnusableParameters",
    "codec_string",
    "decode_times",
    "fragment_header",
    "init_segment",
    "nominal_duration",
    "plan_clip",
    "read_init",
    "read_samples",
    "reorder_delay",
    "scan",
    "time_fragment",
    "write_clip",
]
