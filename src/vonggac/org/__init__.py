"""Who: units, accounts, sessions."""
