"""The screen, the keys and the slash commands of `sera chat`."""
