"""A repository's licence is told where it is plain, and left open where it is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sera_cli.git import open_repository
from sera_cli.license import license_of, recognised

MIT = "Copyright 2026 A Person\n\nPermission is hereby granted, free of charge, to any\nperson obtaining a copy"
BSD = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted"
Make = Callable[[dict[str, str]], Path]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\n      Apache License\n  Version 2.0, January 2004\n http://www.apache.org/licenses/", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007\n" + "x " * 500 + "GNU Affero General", "GPL-3.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n   Version 2.1, February 1999", "LGPL-2.1"),
        (MIT, "MIT"),
        (BSD, "BSD-2-Clause"),
        (BSD + "\n3. Neither the name of the copyright holder nor", "BSD-3-Clause"),
        (BSD + "\n\nParts of it:\n" + MIT, ""),
        ("All rights reserved. Ask before you copy; we use the MIT licence elsewhere.", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_licence_is_known_by_its_own_words(text: str, name: str) -> None:
    assert recognised(text) == name


def test_only_licence_files_at_the_top_count(repository: Make) -> None:
    repo = repository({"LICENCE.txt": MIT, "vendor/LICENSE": BSD, "licenses.py": "x = 1\n", "README": BSD})
    assert license_of(open_repository(repo)) == "MIT"


def test_two_licences_are_both_told(repository: Make) -> None:
    repo = repository({"LICENSE-MIT": MIT, "LICENSE-BSD": BSD, "COPYING.extra": "?"})
    assert license_of(open_repository(repo)) == "BSD-2-Clause, MIT"


def test_this_repository_is_under_apache_and_one_without_a_licence_is_under_none(repository: Make) -> None:
    ours = (Path(__file__).parent.parent / "LICENSE").read_text(encoding="utf-8")
    assert recognised(ours) == "Apache-2.0"
    assert license_of(open_repository(repository({"a.py": "x = 1\n"}))) == ""
