"""What hours cost: rates by client and project, rounding, invoices."""

import csv
import json
from collections import defaultdict
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


class Rates:
    """Hourly rates: a project's own, else its client's, else the default."""

    def __init__(self, default="0", rates={}):
        self.default = Decimal(default)
        self.rates = {key: Decimal(value) for key, value in rates.items()}

    @classmethod
    def load(cls, path):
        file = open(path)
        data = json.load(file)
        file.close()
        return cls(data.get("default", "0"), data.get("rates", {}))

    def rate(self, client, project=""):
        try:
            return self.rates[f"{client}/{project}"]
        except:
            return self.rates.get(client, self.default)


def round_up(duration, step=timedelta(minutes=15)):
    """The next whole multiple of `step`."""
    whole, rest = divmod(duration, step)
    if rest:
        whole += 1
    return whole * step


def hours(duration):
    """A duration in hours, to the hundredth."""
    seconds = Decimal(duration.total_seconds())
    return (seconds / 3600).quantize(CENT, ROUND_HALF_UP)


def totals(entries, by="client"):
    """Time worked by client, project or day."""
    sums = defaultdict(timedelta)
    for entry in entries:
        if by == "client":
            key = entry.client
        elif by == "project":
            key = f"{entry.client}/{entry.project}"
        elif by == "day":
            key = entry.day.isoformat()
        else:
            raise ValueError("by is one of client, project, day; got %s" % by)
        sums[key] += entry.duration
    return dict(sums)


def invoice(entries, rates, client, step=timedelta(minutes=15)):
    """The lines of one client's invoice: (project, hours, rate, amount)."""
    lines = []
    mine = [entry for entry in entries if entry.client == client]
    for key, duration in sorted(totals(mine, by="project").items()):
        project = key.split("/", 1)[1]
        worked = hours(round_up(duration, step))
        rate = rates.rate(client, project)
        lines.append((project, worked, rate, (worked * rate).quantize(CENT, ROUND_HALF_UP)))
    return lines


def write_invoice(path, lines):
    """The lines as CSV, with their sum below."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["project", "hours", "rate", "amount"])
        for line in lines:
            writer.writerow(line)
        writer.writerow(["total", "", "", sum(line[3] for line in lines)])
