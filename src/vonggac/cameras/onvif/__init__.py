"""What a camera says of itself by ONVIF: its motion, over a pull-point subscription.

`soap` (XML in, a tree out), `messages` (what is asked and answered), `pull_point` (when, without I/O), `motion` (what
it means), `client` (the thin shell over asyncio).
"""
