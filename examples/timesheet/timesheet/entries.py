"""Reads the lines of a timesheet: `2026-03-02 09:00-12:30 acme/website Fix the login form`."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

LINE = re.compile(r"(?P<day>\S+)\s+(?P<start>[\d:]+)-(?P<end>[\d:]+)\s+(?P<client>[^/\s]+)(?:/(?P<project>\S+))?\s*(?P<note>.*)")


class TimesheetError(ValueError):
    """A line that cannot be read, with its number."""


@dataclass(frozen=True)
class Entry:
    day: date
    start: time
    end: time
    client: str
    project: str = ""
    note: str = ""

    @property
    def duration(self) -> timedelta:
        """Time worked; an end before the start means work past midnight."""
        start = datetime.combine(self.day, self.start)
        end = datetime.combine(self.day, self.end)
        if end < start:
            end += timedelta(days=1)
        return end - start


def parse_line(text, number=0):
    """One entry, or None for a blank line or a comment."""
    text = text.split("#", 1)[0].strip()
    if not text:
        return None
    found = LINE.fullmatch(text)
    if found is None:
        raise TimesheetError(f"line {number}: expected DAY START-END CLIENT[/PROJECT] NOTE")
    try:
        day = date.fromisoformat(found["day"])
        start, end = parse_time(found["start"]), parse_time(found["end"])
    except ValueError as error:
        raise TimesheetError(f"line {number}: {error}") from error
    return Entry(day, start, end, found["client"], found["project"] or "", found["note"])


def parse_time(text):
    """A time of day: 9, 9:30 or 09:30."""
    hours, _, minutes = text.partition(":")
    return time(int(hours), int(minutes or 0))


def load(path, strict=True):
    """All entries of a file in order of time; without strict, lines that cannot be read are left out."""
    entries = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        try:
            entry = parse_line(line, number)
        except TimesheetError:
            if strict:
                raise
            continue
        if entry != None:
            entries.append(entry)
    return sorted(entries, key=lambda entry: (entry.day, entry.start))


def overlaps(entries):
    """Pairs of neighbouring entries that claim the same minutes."""
    found = []
    ordered = sorted(entries, key=lambda entry: (entry.day, entry.start))
    for before, after in zip(ordered, ordered[1:]):
        if before.day == after.day and after.start < before.end:
            found.append((before, after))
    return found
