"""An archive is unpacked whole, or not at all, and never outside of its folder."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeshot.basics.errors import DataError, FreeshotError
from freeshot.data import archives
from freeshot.data.archives import unpack

FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CONTENT = {"a/1.txt": b"one", "a/b/2.txt": b"two" * 1000, "3.txt": b""}


def zipped(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, content: dict[str, bytes], mode: str = "w:gz", kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))
    return path


def below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz"])
def test_what_was_packed_comes_out(tmp_path: Path, name: str) -> None:
    mode = {"tar": "w", "gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}
    ending = name.rpartition(".")[2]
    path = tmp_path / name
    archive = zipped(path, CONTENT) if ending == "zip" else tarred(path, CONTENT, mode[ending])
    assert below(unpack(archive, tmp_path / "out")) == CONTENT
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) & 0o055


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil", "outside of its folder"),
        ("a/../../evil", "outside of its folder"),
        ("/evil", "absolute"),
        ("..\\evil", "outside of its folder"),
        ("C:\\evil", "absolute"),
        ("C:/evil", "absolute"),
    ],
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_that_leads_out_is_refused_before_a_byte_is_written(
    tmp_path: Path, name: str, why: str, pack: object
) -> None:
    assert callable(pack)
    archive = pack(tmp_path / ("x.zip" if pack is zipped else "x.tar.gz"), {"good": b"1", name: b"2"})
    with pytest.raises(DataError, match=rf"was not unpacked: its member .* is {why}\."):
        unpack(archive, tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep").iterdir())
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, why: str) -> None:
    archive = tarred(tmp_path / "x.tar.gz", {"odd": b""}, kind=kind)
    with pytest.raises(DataError, match=f"its member 'odd' is {why}"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("odd")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="its member 'odd' is a link"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_that_swells_is_refused(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    archive = pack(tmp_path / ("x.zip" if pack is zipped else "x.tar.gz"), {"big": bytes(10_000), "more": bytes(10)})
    assert archive.stat().st_size < 1000
    with pytest.raises(DataError, match=r"would unpack to 10,0\d0 bytes, more than the 5,000 that are allowed"):
        unpack(archive, tmp_path / "out", largest=5_000)
    assert not (tmp_path / "out").exists()


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", {"big": bytes(70_000)})
    size = (70_000).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="the member 'big' is"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_of_very_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST", 5)
    archive = tarred(tmp_path / "x.tar.gz", {f"{n}": b"" for n in range(9)})
    with pytest.raises(DataError, match="has more than 5 members"):
        unpack(archive, tmp_path / "out")


def test_a_header_that_claims_a_gigabyte_for_a_name_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("long")
        info.type = tarfile.GNUTYPE_LONGNAME
        info.size = 2**30
        archive.fileobj.write(info.tobuf())
    with pytest.raises(DataError, match="longer than any header is"):
        unpack(tmp_path / "x.tar", tmp_path / "out")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_what_is_no_archive_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive at all")
    with pytest.raises(DataError, match=rf"The archive .*{name} cannot be unpacked \(.*\)\. Download it again\."):
        unpack(tmp_path / name, tmp_path / "out")


def test_a_file_that_is_also_a_folder_is_told(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", {"a": b"1", "a/b": b"2"})
    with pytest.raises(FreeshotError, match="could not be unpacked"):
        unpack(archive, tmp_path / "out")


@FUZZ
@given(
    names=st.lists(st.text(st.sampled_from("./\\ab:é"), min_size=1, max_size=12), min_size=1, max_size=5, unique=True),
    pack=st.sampled_from([zipped, tarred]),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_is_ever_written_outside(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], pack: object
) -> None:
    assert callable(pack)
    base = tmp_path_factory.mktemp("fuzz")
    archive = pack(base / ("x.zip" if pack is zipped else "x.tar.gz"), dict.fromkeys(names, b"1"))
    before = set(base.rglob("*"))
    try:
        unpack(archive, base / "in" / "out")
    except FreeshotError:
        assert not (base / "in" / "out").exists()
    new = set(base.rglob("*")) - before
    assert all(path.is_relative_to(base / "in") for path in new)


@FUZZ
@given(data=st.data(), pack=st.sampled_from([zipped, tarred]))
def test_a_mutated_archive_is_unpacked_whole_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, pack: object
) -> None:
    assert callable(pack)
    base = tmp_path_factory.mktemp("fuzz")
    (base / "in").mkdir()
    archive = pack(base / ("x.zip" if pack is zipped else "x.tar"), CONTENT, *([] if pack is zipped else ["w"]))
    content = bytearray(archive.read_bytes())
    places = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    for place, value in data.draw(places):
        content[place] = value
    archive.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        unpack(archive, base / "in" / "out", largest=10**6)
    except FreeshotError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        assert not list((base / "in").iterdir())
    assert {path.name for path in base.iterdir()} == {archive.name, "in"}
