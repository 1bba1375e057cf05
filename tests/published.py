"""An image in the layout of those that SWE-bench publishes, put together in the engine of the tests.

A repository with a later commit in /testbed, below the commit that the makers of such images put on top, and what an
installation left; a real virtual environment with pytest where theirs is conda's, made active by the same words.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import files
from pathlib import Path
from threading import Thread

from sera_cli.harness.sandbox import daemon
from tests.docker_engine import BASE

NAMESPACE = "sera-tests"
PYTEST = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
ABSENT = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
ACTIVATE = """\
conda() { source "/opt/miniconda3/envs/$2/bin/activate"; }
"""
MADE = """
set -eu
cd {root}; chmod -R 777 {root}
python3 -m venv --without-pip /opt/miniconda3/envs/testbed
site=$(/opt/miniconda3/envs/testbed/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mv /opt/packages/* $site; echo {root} > $site/testbed.pth
cd /opt/miniconda3/envs/testbed/bin
printf '#!%s/python\\nimport pytest\\nraise SystemExit(pytest.main())\\n' $PWD > pytest; chmod 755 pytest
cd {root}
export HOME=/tmp/home; mkdir -p $HOME; git config --global safe.directory '*'
git config --global user.email setup@swebench.config; git config --global user.name SWE-bench
git remote add origin https://example.invalid/tally.git; git update-ref refs/remotes/origin/main main
git checkout -q -b work; git reset -q --hard {commit}; echo 'Installed.' >> README.md; touch installed.txt
git commit -q --allow-empty -am SWE-bench; rm -rf $HOME
"""


def publish(repo: Path, name: str, commit: str, root: str = "/testbed") -> None:
    """Makes the image `name` of a repository whose working tree is to be at a commit."""
    client = daemon.connect()
    box = client.create_container(BASE, ["bash", "-c", MADE.format(root=root, commit=commit)], network_disabled=True)
    try:
        client.put_archive(box["Id"], "/", _packed(repo, root))
        client.start(box)
        assert client.wait(box)["StatusCode"] == 0, client.logs(box).decode()
        path = "ENV PATH=/opt/miniconda3/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        repository, _, tag = name.rpartition(":")
        client.commit(box["Id"], repository=repository, tag=tag, changes=[path, f"WORKDIR {root}/"])
    finally:
        client.remove_container(box["Id"], force=True)
        client.close()


def named(instance_id: str) -> str:
    return f"{NAMESPACE}/sweb.eval.x86_64.{instance_id.replace('__', '_1776_')}:latest"


def _packed(repo: Path, root: str) -> bytes:
    def roots(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = 0
        return None if "__pycache__" in member.name else member

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as out:
        out.add(repo, root, filter=roots)
        for file in (one for name in PYTEST for one in files(name) or ()):
            if ".." not in file.parts:  # a command, with the path of this machine's Python in it
                out.add(file.locate(), f"/opt/packages/{file}", filter=roots)
        member = tarfile.TarInfo("/opt/miniconda3/bin/activate")
        member.size, member.mode = len(ACTIVATE), 0o755
        out.addfile(member, io.BytesIO(ACTIVATE.encode()))
    return packed.getvalue()


@contextmanager
def registry(image: str) -> Iterator[str]:
    """A registry on this machine that holds one image of the engine, under every name and tag; its address."""
    parts = _parts(image)

    class Shelf(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, _, what = self.path.rpartition("/v2/")
            wanted = what.rpartition("/")[2]
            absent = "/absent/" in self.path
            kind, data = ("", ABSENT if absent else b"{}")
            if what and not absent:
                kind, data = parts[wanted if wanted.startswith("sha256:") else ""]
            self.send_response(404 if absent else 200)
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def _parts(image: str) -> dict[str, tuple[str, bytes]]:
    """Kind and bytes of an image's parts by their digests; its manifest also stands for every tag, that is ``."""
    client = daemon.connect()
    with tarfile.open(fileobj=io.BytesIO(b"".join(client.get_image(image)))) as saved:
        def read(name: str) -> bytes:
            found = saved.extractfile(name)
            assert found
            return found.read()

        about = json.loads(read("manifest.json"))[0]
        config, *layers = [read(name) for name in (about["Config"], *about["Layers"])]
    client.close()
    kind = "application/vnd.docker.{}"
    parts = {_digest(config): (kind.format("container.image.v1+json"), config)}
    parts |= {_digest(one): (kind.format("image.rootfs.diff.tar.gzip"), one) for one in layers}
    first, *others = [{"mediaType": of, "size": len(data), "digest": name} for name, (of, data) in parts.items()]
    manifest = {"schemaVersion": 2, "mediaType": kind.format("distribution.manifest.v2+json"), "config": first,
                "layers": others}  # fmt: skip
    whole = str(manifest["mediaType"]), json.dumps(manifest).encode()
    return parts | {_digest(whole[1]): whole, "": whole}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
