"""An index of packages in a folder, so that environments are built without a network."""

import ensurepip
import shutil
from pathlib import Path
from zipfile import ZipFile


def index(folder: Path, *names: str) -> Path:
    """A folder for pip's find-links with these packages (`name-version`), and the pip and setuptools of this Python."""
    folder.mkdir(parents=True)
    for bundled in (Path(ensurepip.__file__).parent / "_bundled").glob("*.whl"):
        shutil.copy(bundled, folder)
    for one in ("wheel-0.40", *names):
        wheel(folder, *one.split("-"))
    return folder


def wheel(folder: Path, name: str, version: str) -> None:
    """A package that is one module with its version."""
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"__version__ = '{version}'\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
    with ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as packed:
        for path, text in files.items():
            packed.writestr(path, text)


def newer_pip(folder: Path, version: str) -> None:
    """The pip of this Python, called by another version."""
    (bundled,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    own = bundled.name.split("-")[1]
    with ZipFile(bundled) as old, ZipFile(folder / f"pip-{version}-py3-none-any.whl", "w") as new:
        for path in old.namelist():
            told = path in ("pip/__init__.py", f"pip-{own}.dist-info/METADATA", f"pip-{own}.dist-info/RECORD")
            content = old.read(path)
            new.writestr(path.replace(f"pip-{own}.", f"pip-{version}."),
                         content.replace(own.encode(), version.encode()) if told else content)
