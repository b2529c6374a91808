"""The windows: assembles the pages into one application."""
