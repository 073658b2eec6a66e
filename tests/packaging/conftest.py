"""The package built as a release is, and interpreters that see only some of what is installed here."""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md")
#: Makes modules unimportable, as if their distributions were not there; what is imported by then is forgotten.
BLOCKED = """
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nowhere())
for name in [name for name in sys.modules if name.partition(".")[0] in BLOCKED]:
    del sys.modules[name]
"""


@dataclass(frozen=True)
class Built:
    """A wheel and a source distribution of this checkout, and the wheel made from the latter."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


def make(kind, source, target):
    """The one file that setuptools builds from ``source``; no network, no isolation."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(target)!r})"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return next(target.iterdir())


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    for name in ("source", "wheel", "sdist", "unpacked", "again"):
        (folder / name).mkdir()
    for name in SOURCES:
        shutil.copy(REPOSITORY / name, folder / "source" / name)
    for name in ("clarify_spark", "udfs", "jobs", "tests"):
        shutil.copytree(
            REPOSITORY / name, folder / "source" / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    sdist = make("sdist", folder / "source", folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    unpacked = next((folder / "unpacked").iterdir())
    return Built(make("wheel", folder / "source", folder / "wheel"), sdist, make("wheel", unpacked, folder / "again"))


@pytest.fixture(scope="session")
def zipped(built):
    """dist/clarify_spark.zip, as conf/dist.sh makes it."""
    return Path(shutil.copy(built.wheel, built.wheel.parent.parent / "clarify_spark.zip"))


def needed(names, found=None):
    """Distributions that are installed along with those named, without any extras."""
    found = set() if found is None else found
    for name in names:
        key = name.lower().replace("_", "-")
        if key in found:
            continue
        found.add(key)
        needed(
            [plain(line) for line in metadata.requires(name) or () if "extra ==" not in line and present(line)], found
        )
    return found


def plain(requirement):
    return requirement.partition(";")[0].translate(str.maketrans("<>=!~[( ", "\0" * 8)).partition("\0")[0]


def present(requirement):
    """Whether it is installed; what another platform or Python needs is not."""
    try:
        metadata.distribution(plain(requirement))
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture
def interpreter(tmp_path, zipped):
    """Run code in an interpreter with the zip on its path and nothing installed but some distributions' closure."""

    def run(code, *distributions):
        allowed = needed(distributions)
        blocked = {
            module
            for module, owners in metadata.packages_distributions().items()
            if not {owner.lower().replace("_", "-") for owner in owners} & {*allowed, "clarify-spark"}
        } - {"_distutils_hack", "distutils-precedence"}
        head = f"BLOCKED = {sorted(blocked)!r}\n{BLOCKED}\nsys.path.insert(0, {str(zipped)!r})\n"
        return subprocess.run(
            [sys.executable, "-I", "-c", head + code], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run
