"""The ground: settings, database, event log, clock, errors, translations."""
