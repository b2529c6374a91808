"""What a live picture says of itself on a page, for the page's `data-words` (ui/live/tile.ts)."""

from __future__ import annotations

from vonggac.shell.words import Words


def live_words(words: Words) -> dict[str, str]:
    """Return the texts in the reader's language; `{age}` in them is filled by the page."""
    say = words.say
    return {
        "live_connecting": say("The picture is being fetched …"),
        "live_stale": say("This picture is {age} old; the next one is awaited"),
        "live_away": say("No picture"),
        "live_since": say("· for {age}"),
        "live_keyframes": say("One picture a second"),
        "live_ended": say("You may no longer watch. Log in again, or ask the administrator."),
    }
