"""Which licence a repository is under, where its licence file says so in words that everyone uses."""

import re

from sera_cli.git import Checkout, blobs, sizes, tracked

LARGEST = 200_000
"""Bytes of a file beyond which it is not one licence."""

TITLES = {
    "apache license version 2.0": "Apache-2.0",
    "gnu affero general public license version 3": "AGPL-3.0",
    "gnu lesser general public license version 3": "LGPL-3.0",
    "gnu lesser general public license version 2.1": "LGPL-2.1",
    "gnu general public license version 3": "GPL-3.0",
    "gnu general public license version 2": "GPL-2.0",
    "mozilla public license version 2.0": "MPL-2.0",
}
"""What a licence that names itself begins with, in lower case and without commas."""

GRANTS = {
    "permission is hereby granted free of charge to any person": "MIT",
    "distribute this software for any purpose with or without fee is hereby granted provided": "ISC",
    "this is free and unencumbered software released into the public domain": "Unlicense",
}
"""What a licence that often goes without its name grants."""

BSD = "redistribution and use in source and binary forms"


def license_of(checkout: Checkout) -> str:
    """The SPDX ids of the licence files at the top of the repository; empty when none is there or none is known."""
    named = re.compile(r"(licen[sc]e|copying)[^/]*$", re.IGNORECASE)
    files = [file.blob for file in tracked(checkout) if named.match(file.path) and not file.symlink]
    small = [blob for blob, size in sizes(checkout, files).items() if size <= LARGEST]
    found = {recognised(content.decode("utf-8", "replace")) for _, content in blobs(checkout, small)}
    return ", ".join(sorted(found - {""}))


def recognised(text: str) -> str:
    """The SPDX id of a licence's text; empty when it is not one of those known here."""
    plain = " ".join(text.lower().replace(",", " ").split())
    known = [name for title, name in TITLES.items() if title in plain[:500]]
    known += [name for grant, name in GRANTS.items() if grant in plain]
    if BSD in plain:
        known.append("BSD-3-Clause" if "neither the name" in plain else "BSD-2-Clause")
    return known[0] if len(known) == 1 else ""
