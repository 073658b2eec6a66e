"""Archives from strangers: nothing reaches outside, nothing fills the disk, and what is packed comes back."""

import gzip
import io
import os
import stat
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_spark.udfs import archives
from clarify_spark.udfs.archives import files_of, pack, unpack
from clarify_spark.udfs.errors import ModelError


def archive(path, *members, mode="w:gz", **options):
    """An archive of (name, content) pairs, or of TarInfos with or without content."""
    with tarfile.open(path, mode, **options) as made:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content or b"")
            made.addfile(info, None if content is None else io.BytesIO(content))
    return path


def of_kind(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(tmp_path, path, match):
    (tmp_path / "in").mkdir(exist_ok=True)
    with pytest.raises(ModelError, match=match) as caught:
        unpack(path, tmp_path / "in" / "model", "s3://models/model.tar.gz")
    assert str(caught.value).startswith("s3://models/model.tar.gz")
    assert list((tmp_path / "in").iterdir()) == []
    assert not (tmp_path / "evil").exists()


# --- laws -----------------------------------------------------------------------------------------------------------

PARTS = st.lists(st.text("abč_.-", max_size=4), min_size=1, max_size=3)
#: Relative names (folders begin with d, files with f, so that none is in the way of another) and contents.
FILES = st.dictionaries(
    PARTS.map(lambda parts: "/".join([*(f"d{part}" for part in parts[:-1]), f"f{parts[-1]}"])),
    st.binary(max_size=2000),
    min_size=1,
    max_size=6,
)


def written(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@given(files=FILES)
@settings(max_examples=30, deadline=None)
def test_what_is_packed_comes_back_and_packs_to_the_same_bytes(tmp_path_factory, files):
    here = tmp_path_factory.mktemp("pack")
    pack(written(here / "model", files), here / "first.tar")
    back = unpack(here / "first.tar", here / "back", "it")
    assert contents(back) == files
    os.utime(back, (1, 1))
    pack(back, here / "second.tar")
    assert (here / "first.tar").read_bytes() == (here / "second.tar").read_bytes()


NAMES = st.lists(st.sampled_from(["..", ".", "", "a", "b", "évil", "c\\d", "\udcff", " "]), min_size=1, max_size=5).map(
    "/".join
)


@given(names=st.lists(NAMES | st.text(min_size=1, max_size=20), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_members_are_called_nothing_is_written_outside(tmp_path_factory, names):
    here = tmp_path_factory.mktemp("names")
    (here / "in").mkdir()
    try:
        path = archive(here / "a.tar.gz", *[(name, b"!") for name in names])
    except (UnicodeError, ValueError):  # no tar can hold such a name
        return
    try:
        unpack(path, here / "in" / "model", "it")
    except ModelError:
        assert list((here / "in").iterdir()) == []
    else:
        assert [entry.name for entry in (here / "in").iterdir()] == ["model"]
        assert set(contents(here / "in" / "model").values()) == {b"!"}
        assert len(contents(here / "in" / "model")) == len(names)
    assert sorted(entry.name for entry in here.iterdir()) == ["a.tar.gz", "in"]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_archive_is_refused_in_words_or_gives_whole_files(tmp_path_factory, data):
    here = tmp_path_factory.mktemp("damaged")
    (here / "in").mkdir()
    path = archive(here / "a.tar", ("code/inference.py", b"x" * 700), ("ž" * 120, b"y" * 512), mode="w")
    content = bytearray(path.read_bytes()[:5120])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        unpack(path, here / "in" / "model", "it")
    except ModelError:
        assert list((here / "in").iterdir()) == []


# --- each way to do harm --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (("/etc/passwd", b""), "'/etc/passwd' points outside"),
        (("../evil", b""), r"'\.\./evil' points outside"),
        (("a/../../../evil", b""), "points outside"),
        ((of_kind("link", tarfile.SYMTYPE, "/etc/passwd"), None), "'link' is a symbolic link; only files"),
        ((of_kind("link", tarfile.LNKTYPE, "model.json"), None), "'link' is a hard link"),
        ((of_kind("pipe", tarfile.FIFOTYPE), None), "'pipe' is a device or pipe"),
        ((of_kind("disk", tarfile.BLKTYPE), None), "'disk' is a device or pipe"),
        ((of_kind("tty", tarfile.CHRTYPE), None), "'tty' is a device or pipe"),
        (("model.json", b"again"), r"'model\.json' is in it twice"),
        (("./model.json", b"again"), r"'\./model\.json' is in it twice"),
        (("model.json/below", b""), "needs a folder where there is a file"),
        ((of_kind("model.json", tarfile.DIRTYPE), None), "needs a folder where there is a file"),
        (("x" * 300, b""), "cannot be unpacked: File name too long"),
        ((of_kind("odd", b"Z"), b""), "'odd' is a member of an unknown type"),
        ((of_kind("thin", tarfile.GNUTYPE_SPARSE), b""), "'thin' is a sparse file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_members_are_refused_by_name(tmp_path, member, says):
    path = archive(tmp_path / "a.tar.gz", ("model.json", b"{}"), member)
    refused(tmp_path, path, says)


def test_a_link_is_no_way_out_even_for_the_members_behind_it(tmp_path):
    link = of_kind("code", tarfile.SYMTYPE, str(tmp_path / "evil"))
    refused(tmp_path, archive(tmp_path / "a.tar.gz", (link, None), ("code/inference.py", b"")), "symbolic link")


def test_what_swells_without_end_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "RATIO_FREE", 2**20)
    path = archive(tmp_path / "bomb.tar.gz", ("zeros", bytes(20 * 2**20)))
    refused(tmp_path, path, r"2\d,\d{3} bytes unpack to more than 4,\d{3},\d{3}; no model compresses like that")


def test_an_archive_larger_than_the_free_disk_is_refused(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 3000})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: usage)
    plain = archive(tmp_path / "a.tar", ("one", bytes(2000)), ("two", bytes(2000)), mode="w")
    refused(tmp_path, plain, "takes more than the 2,700 bytes")
    refused(tmp_path, archive(tmp_path / "a.tar.gz", ("one", bytes(2000))), "takes more than the 2,700 bytes")


def test_more_members_than_any_model_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MEMBERS", 3)
    refused(tmp_path, archive(tmp_path / "a.tar.gz", *[(f"{n}", b"") for n in range(4)]), "more than 3 files")


def test_headers_that_would_fill_the_memory_are_refused(tmp_path):
    header = of_kind("pax", tarfile.XHDTYPE)
    path = archive(tmp_path / "a.tar.gz", (header, bytes(2**21)), ("model.json", b""))
    refused(tmp_path, path, "a header of 2,097,152 bytes")


def test_headers_without_end_are_refused(tmp_path):
    header = of_kind("x", tarfile.GNUTYPE_LONGNAME)
    path = archive(tmp_path / "a.tar.gz", *[(header, b"name\0")] * 2000, ("model.json", b""))
    refused(tmp_path, path, "is not a valid")


@pytest.mark.parametrize("keep", [0, 1, 100, 600, 1100, 1536, 2048])
def test_an_archive_that_is_cut_short_is_refused(tmp_path, keep):
    whole = archive(tmp_path / "a.tar", ("one", bytes(512)), ("two", bytes(512)), mode="w").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:keep])
    refused(tmp_path, tmp_path / "cut.tar", "is not a valid|is an empty archive")
    packed = gzip.compress(whole)
    (tmp_path / "cut.tar.gz").write_bytes(packed[: 2 + len(packed) * keep // 2100])
    refused(tmp_path, tmp_path / "cut.tar.gz", "is not a valid")


def test_other_files_under_the_name_of_an_archive_are_refused(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"PK\3\4" + bytes(600))
    refused(tmp_path, tmp_path / "a.tar.gz", "is not a valid")
    (tmp_path / "a.tar.gz").write_bytes(bytes(10240))
    refused(tmp_path, tmp_path / "a.tar.gz", "is an empty archive|is not a valid")


# --- what is asked of a good one ------------------------------------------------------------------------------------


def test_files_get_no_rights_but_those_of_their_owner(tmp_path):
    script = tarfile.TarInfo("code/run.sh")
    script.mode = 0o6777
    folder = unpack(archive(tmp_path / "a.tgz", ("model.json", b"{}"), (script, b"")), tmp_path / "model", "it")
    rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert rights == {"model": 0o700, "model.json": 0o600, "code": 0o700, "run.sh": 0o700}


def test_compression_is_told_by_the_content_not_by_the_name(tmp_path):
    assert contents(unpack(archive(tmp_path / "a.tar", ("m", b"1")), tmp_path / "one", "it")) == {"m": b"1"}
    assert contents(unpack(archive(tmp_path / "a.tar.gz", ("m", b"1"), mode="w"), tmp_path / "two", "it")) == {
        "m": b"1"
    }


def test_folders_and_a_leading_dot_are_fine(tmp_path):
    members = [(of_kind(".", tarfile.DIRTYPE), None), (of_kind("./code", tarfile.DIRTYPE), None), ("./code/a.py", b"")]
    assert contents(unpack(archive(tmp_path / "a.tgz", *members), tmp_path / "model", "it")) == {"code/a.py": b""}


def test_what_another_process_unpacked_meanwhile_counts(tmp_path):
    written(tmp_path / "model", {"theirs": b""})
    assert unpack(archive(tmp_path / "a.tgz", ("ours", b"")), tmp_path / "model", "it") == tmp_path / "model"
    assert contents(tmp_path / "model") == {"theirs": b""}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tgz", "model"]


def test_packing_leaves_bytecode_behind_and_follows_links(tmp_path):
    written(tmp_path / "model", {"code/inference.py": b"1", "code/__pycache__/inference.pyc": b"2"})
    written(tmp_path / "elsewhere", {"weights.bin": b"3"})
    (tmp_path / "model" / "weights").symlink_to(tmp_path / "elsewhere")
    assert dict(files_of(tmp_path / "model")).keys() == {"code/inference.py", "weights/weights.bin"}
    pack(tmp_path / "model", tmp_path / "model.tar")
    found = contents(unpack(tmp_path / "model.tar", tmp_path / "back", "it"))
    assert found == {"code/inference.py": b"1", "weights/weights.bin": b"3"}


def test_links_in_a_circle_are_told(tmp_path):
    written(tmp_path / "model", {"a": b""})
    (tmp_path / "model" / "again").symlink_to(tmp_path / "model")
    with pytest.raises(ModelError, match=r"lead to .*again a second time"):
        pack(tmp_path / "model", tmp_path / "model.tar")


def test_what_is_no_file_is_told(tmp_path):
    written(tmp_path / "model", {"a": b""})
    os.mkfifo(tmp_path / "model" / "pipe")
    with pytest.raises(ModelError, match="pipe is not a readable file"):
        pack(tmp_path / "model", tmp_path / "model.tar")
