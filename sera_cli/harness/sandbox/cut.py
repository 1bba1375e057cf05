"""Out of an image that holds a repository with its history: one with a single commit of it, to work in.

The benchmarks publish such images. What the history knows of the time after that commit, the fix of an issue among it,
is in no file of what is made here, and nothing inside a container reaches the layers below. Commands run as the image's
own user, root for most: sera's own diff is then as good as the rollout that it tells of, and a sandbox has one of each.
"""

import shlex
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import ROOT, changes, daemon
from sera_cli.harness.sandbox.container import Stand
from sera_cli.harness.sandbox.layers import KEPT
from sera_cli.harness.sandbox.places import ENVIRONMENT, INSIDE, SYSTEM_PATH
from sera_cli.types import Value, digest

if TYPE_CHECKING:
    from docker import APIClient

KEEPER = "64999"
"""Who a container lives by: nobody's number, so that root without the right to kill others cannot end it."""

RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
"""What root may do to any file: those who made the image had these, and pip installs by them."""

SECONDS = 900
"""The longest that looking into an image, or cutting a repository, may take."""

QUIET = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""There is no network: pip gives up at once rather than ask it again and again."""

FLEETING = ("PWD", "OLDPWD", "SHLVL", "_", "HOSTNAME", "PS1")

LOOK = "{{ {activate}; }} >/dev/null 2>&1 || exit 21; command -v git || exit 22; env -0 | base64"
REASONS = {
    21: "its environment cannot be made active by `{activate}`",
    22: "it has no git; its patches cannot be told",
    23: "there is no git repository in {root}",
    24: "its repository in {root} does not hold the commit {commit}",
    25: "{testbed} is something else than the repository in {root}",
}

# The files stay as the makers of the image left them: what is tracked and was changed by an installation is in the
# commit, as it is in theirs; what is not tracked stays so, and is known to sera's own git alone, which tells no more of
# a file than what became of it here. A tag that is no later tells the version to tools that ask git for it.
CUT = """
set -euo pipefail
export PATH={path} HOME=/run/cut LC_ALL=C.UTF-8 GIT_CONFIG_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0
mkdir -p $HOME {kept}/info {kept}/refs {kept}/objects {objects}
git config --global safe.directory '*'; git config --global core.hooksPath /dev/null; git config --global gc.auto 0
git config --global core.fsmonitor false; git config --global init.defaultBranch main
export GIT_AUTHOR_NAME=sera GIT_AUTHOR_EMAIL=sera@localhost GIT_AUTHOR_DATE='946684800 +0000'
export GIT_COMMITTER_NAME=sera GIT_COMMITTER_EMAIL=sera@localhost GIT_COMMITTER_DATE='946684800 +0000'
cd {root} 2>/dev/null && [ -e .git ] && [ "$(git rev-parse --show-cdup)" = "" ] || exit 23
base=$(git rev-parse --verify --quiet {commit}'^{{commit}}') || exit 24
[ {root} = {testbed} ] || [ ! -e {testbed} ] || exit 25
[ {root} = {testbed} ] || ln -s {root} {testbed}
[ "$(git rev-parse HEAD)" = "$base" ] || [ "$(git rev-parse --verify --quiet HEAD^)" = "$base" ] ||
  git reset --quiet --hard "$base"
tag=$(git describe --tags --abbrev=0 "$base" 2>/dev/null) || tag=
one=$(git commit-tree -m Export 'HEAD^{{tree}}')
git init --quiet --template= $HOME/new
git rev-list --objects "$one" | cut -d' ' -f1 | git pack-objects --quiet $HOME/new/.git/objects/pack/pack >/dev/null
[ ! -e "$(git rev-parse --git-path index)" ] || cp "$(git rev-parse --git-path index)" $HOME/new/.git/index
mode=$(git config core.fileMode) || mode=true
rm -rf .git; mv $HOME/new/.git .git
git config core.fileMode "$mode"; git config log.showRoot false
git update-ref refs/heads/main "$one"; [ -z "$tag" ] || git update-ref "refs/tags/$tag" "$one"
git read-tree -m HEAD 2>/dev/null || git read-tree HEAD
git update-index -q --refresh >/dev/null || true
rm -rf .git/logs .git/ORIG_HEAD
chown -R --reference=. .git; chmod -R a+rwX .git
cp -r .git/objects/. {objects}
printf %s {config} >{kept}/config; printf %s {attributes} >{kept}/info/attributes
printf %s {exclude} >{kept}/info/exclude; echo 'ref: refs/heads/main' >{kept}/HEAD
git ls-files --stage -z | grep -zv '^160000 ' | cut -z -f2- >$HOME/files || true
export GIT_DIR={kept} GIT_WORK_TREE={root} GIT_OBJECT_DIRECTORY={objects}
git update-index --add --remove -z --stdin <$HOME/files
git add --all --ignore-errors >/dev/null 2>&1 || true
git commit-tree -m Export "$(git write-tree)" >{kept}/commit; mv {kept}/commit {kept}/HEAD
rm -rf {kept}/objects {kept}/refs; chmod -R a+rX {kept} {objects}; rm -rf /run/cut
"""


class Held(Value):
    """What an image holds: a repository in the folder `root` with a commit; `activate` is the line of bash that makes
    its environment active.
    """

    commit: str
    root: str = ROOT
    activate: str = "true"


def cut(client: "APIClient", image: str, held: Held, run: str) -> Stand:
    """What sandboxes with that commit alone start from; `run` labels its image, which is the caller's to remove.

    Raises SandboxError when the image does not hold that.
    """
    with daemon.answering(client, "look into an image"):
        config = client.inspect_image(image)["Config"] or {}
    if any(path == held.root or path.startswith("/run") for path in config.get("Volumes") or {}):
        raise SandboxError(f"{image[:19]} makes {held.root} or /run a volume")
    user = str(config.get("User") or "0")
    with _ran(client, image, (LOOK.format(activate=held.activate), user, run), held) as box:
        git, _, packed = client.logs(box, stderr=False).partition(b"\n")
    found = _variables(b64decode(packed))
    folder = git.decode().rpartition("/")[0]
    with _ran(client, image, (_script(held, folder), "0", run), held) as box, daemon.answering(client, "keep an image"):
        made = str(client.commit(box, repository="sera-cut", tag=digest([box]))["Id"])
    plain = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("PYTHON")}
    return Stand(
        image=made, variables=plain | {"HOME": INSIDE["home"]} | found | QUIET, git=folder, user=user, keeper=KEEPER,
        rights=RIGHTS, memory=("state", "git"),
    )  # fmt: skip


@contextmanager
def _ran(client: "APIClient", image: str, what: tuple[str, str, str], held: Held) -> Iterator[str]:
    """A container in which bash ran a script, as a user, with a label, to its end. Raises SandboxError with its reason.
    """
    script, user, run = what
    with daemon.answering(client, "start a container of an image"):
        box = str(client.create_container(
            image, entrypoint=["bash", "-c"], command=[script], user=user, labels=daemon.labels(run),
            host_config=client.create_host_config(network_mode="none", cap_drop=["ALL"], cap_add=[*RIGHTS]),
        )["Id"])  # fmt: skip
        try:
            client.start(box)
            if code := int(client.wait(box, timeout=SECONDS)["StatusCode"]):
                said = client.logs(box, stdout=False).decode("utf-8", "replace").strip().rpartition("\n")[2]
                reason = REASONS.get(code, "its repository cannot be cut down to one commit: {said}")
                raise SandboxError(reason.format(testbed=ROOT, said=said[:200], **held.model_dump()))
            yield box
        finally:
            with suppress(SandboxError), daemon.answering(client, "remove a container"):  # else a sweep finds it
                client.remove_container(box, v=True, force=True)


def _script(held: Held, git: str) -> str:
    return CUT.format(
        root=shlex.quote(held.root), testbed=ROOT, commit=shlex.quote(held.commit), kept=KEPT,
        objects=INSIDE["objects"], config=shlex.quote(changes.CONFIG), attributes=shlex.quote(changes.ATTRIBUTES),
        exclude=shlex.quote(changes.EXCLUDE), path=shlex.quote(":".join((*SYSTEM_PATH, git))),
    )  # fmt: skip


def _variables(printed: bytes) -> dict[str, str]:
    """Of `env -0`; a value that is no text is left out."""
    pairs = (pair.decode("utf-8", "replace").partition("=") for pair in printed.split(b"\0") if pair)
    return {name: value for name, _, value in pairs if name not in FLEETING and "\ufffd" not in value}
