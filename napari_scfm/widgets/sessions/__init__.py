"""Saving, opening and autosaving sessions: buttons, dialogs, drops."""
