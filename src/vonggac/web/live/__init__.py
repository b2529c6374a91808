"""Live pictures for browsers: one subscription a camera and stream, relayed to any number of viewers.

The parts, from the recorder to the browser: `subscription` (asks the recorder), `fragments` and `times` (a picture
into a piece of MP4), `channel` (the current group, handed to every viewer), `outbox` (what waits for one of them),
`session` (one WebSocket), `doors`. Why it is so: docs/design/live.md.
"""
