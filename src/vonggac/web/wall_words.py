"""What the scripts of the wall say: written into the page in the reader's language."""

from __future__ import annotations

from vonggac.core.i18n import N_
from vonggac.shell.words import Words

_MESSAGES: dict[str, str] = {
    "state_connecting": N_("Connecting…"),
    "state_live": N_("Live"),
    "state_stale": N_("Picture stands still"),
    "state_away": N_("Signal lost"),
    "state_keyframes": N_("One picture a second"),
    "state_ended": N_("Ended"),
    "since": N_("since {time} ({age})"),
    "old": N_("{age} old"),
    "empty": N_("Empty tile"),
    "empty_more": N_("Drag a camera here, or type its number and press Enter."),
    "tile_empty": N_("Tile {tile}: empty"),
    "tile_label": N_("Tile {tile}: camera {number}, {camera}, {state}"),
    "menu": N_("Menu"),
    "menu_of": N_("Menu of camera {number}, {camera}"),
    "menu_full": N_("Show this tile alone"),
    "menu_back": N_("Back to all tiles"),
    "menu_playback": N_("See again from 30 s ago"),
    "menu_change": N_("Another camera…"),
    "menu_swap": N_("Swap with another tile…"),
    "menu_page": N_("Page of the camera"),
    "menu_clear": N_("Empty the tile"),
    "menu_auto": N_("Stream: by the tile's size"),
    "menu_main": N_("Stream: main, sharp"),
    "menu_sub": N_("Stream: sub, thrifty"),
    "swap_choose": N_("Choose the tile to swap with: arrow keys and Enter, or click. Esc cancels."),
    "typed": N_("Tile {tile} ← camera {number}"),
    "typed_camera": N_("Tile {tile} ← camera {number}, {camera} · Enter"),
    "no_camera": N_("There is no camera {number}."),
    "shown": N_("Tile {tile}: camera {number}, {camera}"),
    "page": N_("Page {page} of {pages}"),
    "stop": N_("{view} · {page} of {pages}"),
    "tour_start": N_("Start the tour"),
    "tour_pause": N_("Pause the tour"),
    "tour_paused": N_("The tour is paused. Press Space, or Start the tour, to go on."),
    "tour_none": N_("For a tour, put more cameras on the wall than it has tiles, or make one of views."),
    "unit_to_wall": N_("All cameras of {unit} on the wall"),
    "unit_shown": N_("{unit}: cameras on the wall: {n}"),
    "tree_count": N_("{shown} of {all} cameras"),
    "views_own": N_("My views"),
    "views_tour": N_("tour"),
    "view_unsaved": N_("Not saved"),
    "view_changed": N_("{view} (changed)"),
    "view_kept": N_("The view {view} is saved."),
    "view_deleted": N_("The view {view} is deleted."),
    "view_failed": N_("The view could not be saved. Check the connection and try again."),
    "view_delete_sure": N_("Delete the view {view}?"),
    "view_delete_shared_sure": N_("Delete the view {view}? Others who use it lose it too."),
    "only_me": N_("Only me"),
    "tour_choose": N_("Choose at least two views."),
    "full_failed": N_("The browser does not allow full screen here."),
    "window_failed": N_("The browser did not open a second window. Allow pop-up windows for this page."),
}


def script_words(words: Words) -> dict[str, str]:
    """Return the texts by their keys; places in braces are filled by the scripts."""
    return {key: words.say(message) for key, message in _MESSAGES.items()}
