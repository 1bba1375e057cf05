from datetime import timedelta
from decimal import Decimal

import pytest

from timesheet.billing import Rates, hours, invoice, round_up, write_invoice
from timesheet.entries import TimesheetError, load, overlaps, parse_line
from timesheet.report import format_duration, summary, weekly

SHEET = """\
# March
2026-03-02 9:00-12:30 acme/website Fix the login form
2026-03-02 13:00-17:10 acme/website
2026-03-03 22:00-1:00 zoo Move the database
"""


@pytest.fixture
def entries(tmp_path):
    (tmp_path / "march.txt").write_text(SHEET)
    return load(tmp_path / "march.txt")


def test_a_line_is_read():
    entry = parse_line("2026-03-02 9-12:30 acme/website Fix it # later")
    assert (entry.client, entry.project, entry.note) == ("acme", "website", "Fix it")
    assert entry.duration == timedelta(hours=3, minutes=30)


def test_work_past_midnight_is_counted(entries):
    assert entries[-1].duration == timedelta(hours=3)


def test_a_line_that_cannot_be_read_is_named():
    with pytest.raises(TimesheetError, match="line 7: "):
        parse_line("yesterday, all day", 7)


def test_entries_that_overlap_are_found():
    first, second = parse_line("2026-03-02 9-12 acme"), parse_line("2026-03-02 11-13 zoo")
    assert overlaps([second, first]) == [(first, second)]


def test_an_invoice_rounds_up_to_the_quarter(entries, tmp_path):
    rates = Rates("50", {"acme": "80", "acme/website": "90"})
    assert invoice(entries, rates, "acme") == [("website", Decimal("7.75"), Decimal("90"), Decimal("697.50"))]
    write_invoice(tmp_path / "acme.csv", invoice(entries, rates, "acme"))
    assert (tmp_path / "acme.csv").read_text().splitlines()[-1] == "total,,,697.50"


def test_rounding_keeps_what_is_whole():
    assert round_up(timedelta(minutes=30)) == timedelta(minutes=30)
    assert hours(timedelta(minutes=50)) == Decimal("0.83")


def test_the_week_is_summed(entries):
    assert weekly(entries, timedelta(hours=10)).splitlines() == ["week      worked  balance", "2026-W10  10:40   0:40"]
    assert summary(entries).splitlines()[1].split() == ["acme", "7.67"]
    assert format_duration(timedelta(minutes=-65)) == "-1:05"
