"""What people and models write, without what stands round it: what git, forges and robots add, tags. And how many of
a thing there are, as a person says it.
"""

import re

_TRAILER = re.compile(
    r"^[A-Z][A-Za-z-]+-[Bb]y: |^(Change-Id|Reviewed-on|git-svn-id|Fixes|Closes|Refs?|Bug|Issue): ?\S+$|"
    r"^\(cherry picked from commit |^(Fix(es|ed)?|Close[sd]?|Resolve[sd]?|Refs?) #\d+\.?$"
)
_MERGE = re.compile(r"^Merge (pull request #\d+ from \S+|(remote-tracking )?branch(es)? .+|tag .+|commit .+)$")
_ROBOT = re.compile(
    r"dependabot|renovate|pre-commit-ci|^Bumps? .+ from \S+ to \S+|^(Release|Version|Bump version) v?\d", re.IGNORECASE
)
_NUMBER = re.compile(r"\s*\(#\d+\)$")


def counted(number: int, what: str, several: str = "") -> str:
    """`1 task`, `1,200 tasks`; `several` where more of them are no `tasks`, as with `1 batch`, `2 batches`."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def robot(message: str) -> bool:
    """Whether a program wrote a message, or a person in its place: a release, a new version of something."""
    return any(map(_ROBOT.search, message.strip().splitlines()))


def plain(message: str) -> tuple[str, str]:
    """The title and the body of a message, without the line of a merge, trailers, and the number of a pull request."""
    lines = [line.rstrip() for line in message.strip().splitlines()]
    if lines and _MERGE.match(lines[0]):
        lines = "\n".join(lines[1:]).strip().split("\n")
    kept = "\n".join(line for line in lines if not _TRAILER.match(line)).strip()
    title, _, body = kept.partition("\n")
    return _NUMBER.sub("", title), body.strip()


def output(text: str) -> str | None:
    """What stands inside the last `<output>` tags of an answer; None without them or with nothing in them."""
    found = re.findall(r"<output>(.*?)</output>", text, re.DOTALL)
    return found[-1].strip() or None if found else None
