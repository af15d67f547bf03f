"""An archive is unpacked whole, or not at all, and never outside of its folder."""

from __future__ import annotations

import gzip
import io
import re
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.soak.readers_of_data import write_archive

from freeshot.basics.errors import DataError, FreeshotError, StoreError
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
def test_unpacked_files_are_those_that_were_packed(tmp_path: Path, name: str) -> None:
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
    assert not (tmp_path / "deep").exists()
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


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "x.tar.gz", {"odd": b""}, kind=tarfile.GNUTYPE_SPARSE)
    with pytest.raises(DataError, match="its member 'odd' is a sparse file"):
        unpack(archive, tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("odd")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="its member 'odd' is a link"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_that_unpacks_to_too_many_bytes_is_refused(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    archive = pack(tmp_path / ("x.zip" if pack is zipped else "x.tar.gz"), {"big": bytes(10_000), "more": bytes(10)})
    assert archive.stat().st_size < 1000
    with pytest.raises(DataError, match=r"would unpack to 10,0\d0 bytes, more than the 5,000 that are allowed"):
        unpack(archive, tmp_path / "out", largest=5_000)
    assert not (tmp_path / "out").exists()


def test_a_zip_that_states_a_wrong_size_is_refused(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("size", [2**30, -(2**30)])
def test_a_header_that_claims_a_gigabyte_for_a_name_is_refused(tmp_path: Path, size: int) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("long")
        info.type = tarfile.GNUTYPE_LONGNAME
        info.size = size
        archive.fileobj.write(info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(DataError, match="corrupt archive header"):
        unpack(tmp_path / "x.tar", tmp_path / "out")


def test_a_member_of_negative_size_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("loop")
    info.size = -512
    (tmp_path / "x.tar").write_bytes(info.tobuf() + bytes(1024))
    with pytest.raises(DataError, match=r"cannot be unpacked \(the member 'loop' is corrupt\)"):
        unpack(tmp_path / "x.tar", tmp_path / "out")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_file_that_is_not_an_archive_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive at all")
    with pytest.raises(DataError, match=rf"The archive .*{name} cannot be unpacked \(.*\)\. Download it again\."):
        unpack(tmp_path / name, tmp_path / "out")


def test_a_file_that_is_also_a_folder_is_an_error(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", {"a": b"1", "a/b": b"2"})
    with pytest.raises(FreeshotError, match="could not be written"):
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


def unpacked_whole_or_refused(archive: Path, folder: Path) -> None:
    folder.mkdir()
    try:
        unpack(archive, folder / "out", largest=10**6)
    except FreeshotError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        assert {path.name for path in folder.iterdir()} <= {".out.lock"}
    else:
        assert below(folder / "out") == CONTENT
    assert {path.name for path in folder.parent.iterdir()} == {archive.name, folder.name}


def without_content(archive: bytes) -> list[range]:
    """Return the positions of a tar's headers and end; a tar has no checksum of its content."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        headers = [range(entry.offset, entry.offset_data) for entry in tar]
        return [*headers, range(tar.offset, len(archive))]


@FUZZ
@given(data=st.data(), ending=st.sampled_from(["zip", "tar.gz", "tar.bz2", "tar.xz"]))
def test_a_mutated_archive_is_unpacked_whole_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, ending: str
) -> None:
    base = tmp_path_factory.mktemp("fuzz")
    archive = base / f"x.{ending}"
    write_archive(archive, CONTENT)
    content = bytearray(archive.read_bytes())
    most = 1 if ending == "zip" else 6  # two changes of a zip may agree: it states each name twice, without a checksum
    changes = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=most)
    for index, value in data.draw(changes):
        content[index] = value
    archive.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    unpacked_whole_or_refused(archive, base / "in")


@FUZZ
@given(data=st.data())
def test_a_tar_with_mutated_headers_is_unpacked_whole_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    base = tmp_path_factory.mktemp("fuzz")
    content = bytearray(tarred(base / "x.tar", CONTENT, "w").read_bytes())
    for part in without_content(bytes(content)):  # two changes of one header may leave its sum
        if data.draw(st.booleans()):
            content[data.draw(st.sampled_from(part))] = data.draw(st.integers(0, 255))
    (base / "x.tar").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    unpacked_whole_or_refused(base / "x.tar", base / "in")


@FUZZ
@given(data=st.data(), pack=st.sampled_from([zipped, tarred]))
def test_a_mutated_archive_that_is_refused_leaves_nothing_behind(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, pack: object
) -> None:
    assert callable(pack)
    base = tmp_path_factory.mktemp("fuzz")
    archive = pack(base / ("x.zip" if pack is zipped else "x.tar"), CONTENT, *([] if pack is zipped else ["w"]))
    content = bytearray(archive.read_bytes())
    changes = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    for index, value in data.draw(changes):
        content[index] = value
    archive.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        unpack(archive, base / "in" / "out", largest=10**6)
    except FreeshotError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        assert {path.name for path in base.glob("in/*")} <= {".out.lock"}
    assert {path.name for path in base.iterdir()} <= {archive.name, "in"}


FIFTY = {f"{number}.txt": bytes([number]) * 700 for number in range(50)}


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda tar, at: tar[: at + 200], "it is truncated or corrupt"),
        (lambda tar, at: tar[:at], "it is truncated or corrupt"),
        (lambda tar, at: tar[: at - 100], "unexpected end of data"),
        (lambda tar, at: tar[: at + 148] + b"spoilt!!" + tar[at + 156 :], "it is truncated or corrupt"),
        (lambda tar, at: tar[:at] + bytes(512) + tar[at + 512 :], "it has data after its end"),
        (lambda tar, _: tar + tar, "it has data after its end"),
        (lambda tar, _: tar + bytes(200_000), "it has data after its end"),
    ],
    ids=["within a header", "between members", "within a member", "spoilt", "a hole", "two", "swells"],
)
def test_a_tar_that_would_be_unpacked_in_part_is_refused(
    tmp_path: Path, spoil: Callable[[bytes, int], bytes], why: str, compress: Callable[[bytes], bytes]
) -> None:
    whole = tarred(tmp_path / "x.tar", FIFTY, "w").read_bytes()
    (tmp_path / "x.tar").write_bytes(compress(spoil(whole, 20 * 3 * 512)))
    with pytest.raises(DataError, match=rf"x\.tar cannot be unpacked \({why}\)\. Download it again\."):
        unpack(tmp_path / "x.tar", tmp_path / "out", largest=100_000)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


@pytest.mark.parametrize("padding", [512, 1024, 20 * 512, 100 * 512])
def test_a_tar_may_be_padded_to_any_length(tmp_path: Path, padding: int) -> None:
    with tarfile.open(tarred(tmp_path / "x.tar", FIFTY, "w")) as tar:
        end = len(tar.getmembers()) * 3 * 512
    (tmp_path / "x.tar").write_bytes((tmp_path / "x.tar").read_bytes()[:end] + bytes(padding))
    assert below(unpack(tmp_path / "x.tar", tmp_path / "out")) == FIFTY


def test_a_checksum_behind_the_end_of_a_tar_is_compared(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(tarred(tmp_path / "x.tar", CONTENT, "w").read_bytes()))
    content[-8] ^= 1
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match="CRC check failed"):
        unpack(tmp_path / "x.tar.gz", tmp_path / "out")


def test_a_zip_whose_list_hides_a_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "x.zip", CONTENT).read_bytes())
    first, second, third = (match.start() for match in re.finditer(b"PK\x01\x02", content))
    content[first + 32] = third - second  # the length of its comment
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be unpacked \(its list of members is corrupt\)"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.parametrize("end", [b"/", b"\0"])
def test_a_file_in_a_zip_with_the_name_of_a_folder_is_refused(tmp_path: Path, end: bytes) -> None:
    content = zipped(tmp_path / "x.zip", CONTENT).read_bytes()
    last = content.rindex(b"a/1.txt") + (6 if end == b"/" else 2)
    (tmp_path / "x.zip").write_bytes(content[:last] + end + content[last + 1 :])
    with pytest.raises(DataError, match=r"the member '.*' is broken: File name in directory"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_an_empty_archive_is_refused(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / name, {}) if name == "x.zip" else tarred(tmp_path / name, {}, "w")
    with pytest.raises(DataError, match=rf"The archive .*{name} is empty\. Download it again\."):
        unpack(archive, tmp_path / "out")


def test_leftovers_of_a_killed_process_are_removed_when_the_archive_is_unpacked(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", {f"{number}": b"1" for number in range(3)})
    program = f"""
        import os, signal
        from pathlib import Path
        from freeshot.data import archives

        whole = archives._extract

        def extract(member, folder):
            if member.name == "2":
                os.kill(os.getpid(), signal.SIGKILL)
            whole(member, folder)

        archives._extract = extract
        archives.unpack(Path({str(archive)!r}), Path({str(tmp_path / "in" / "out")!r}))
    """
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", dedent(program)], check=False)
        assert killed.returncode == -signal.SIGKILL
        lock, unfinished = sorted((tmp_path / "in").iterdir())
        assert (lock.name, unfinished.name[:15]) == (".out.lock", ".out.unpacking-")
        assert len(below(unfinished)) == 2
    (unfinished / "stale").write_bytes(b"")
    assert set(below(unpack(archive, tmp_path / "in" / "out"))) == {"0", "1", "2"}
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == [".out.lock", "out"]


def test_unpacking_at_the_same_time_waits_and_uses_the_folder_of_the_other_process(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", CONTENT)
    with ThreadPoolExecutor() as threads, FileLock(tmp_path / ".out.lock"):
        waiting = threads.submit(unpack, archive, tmp_path / "out")
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").write_bytes(b"")
    assert below(waiting.result()) == {"theirs": b""}


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", CONTENT)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"out could not be written \(.+\)\. Fix and rerun\."):
        unpack(archive, tmp_path / "file" / "out")
    (tmp_path / ".out.unpacking-x").symlink_to(tmp_path)
    with pytest.raises(StoreError, match=r"out could not be written \(.+\)\. Fix and rerun\."):
        unpack(archive, tmp_path / "out")
    assert (tmp_path / "file").exists()
