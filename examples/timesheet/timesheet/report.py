"""Timesheets for people: tables and weekly sums in plain text."""

from datetime import timedelta

from timesheet.billing import hours, totals


def format_duration(duration):
    """3:05 for three hours and five minutes."""
    minutes = int(duration.total_seconds()) // 60
    sign = "-" if minutes < 0 else ""
    return "%s%d:%02d" % (sign, abs(minutes) // 60, abs(minutes) % 60)


def table(rows, header=None):
    """Rows of text in columns as wide as their widest cell."""
    rows = [[str(cell) for cell in row] for row in rows]
    if header:
        rows = [list(header)] + rows
    if len(rows) == 0:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    return "\n".join(lines)


def weeks(entries):
    """Entries by ISO week, as {(year, week): [entry, ...]}."""
    found = {}
    for entry in entries:
        year, week, _ = entry.day.isocalendar()
        if (year, week) not in found:
            found[(year, week)] = []
        found[(year, week)].append(entry)
    return found


def weekly(entries, target=timedelta(hours=40)):
    """A line for each week: time worked, and how far it is from the target."""
    rows = []
    for (year, week), of_week in sorted(weeks(entries).items()):
        worked = sum((entry.duration for entry in of_week), timedelta())
        rows.append((f"{year}-W{week:02d}", format_duration(worked), format_duration(worked - target)))
    return table(rows, header=("week", "worked", "balance"))


def summary(entries, by="client"):
    """Hours by client, project or day, the most first."""
    sums = totals(entries, by)
    rows = sorted(sums.items(), key=lambda item: item[1], reverse=True)
    return table([(key, hours(duration)) for key, duration in rows], header=(by, "hours"))
