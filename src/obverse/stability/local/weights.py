"""A model on disk to a model in memory: a GGUF file is converted once and kept, a folder of transformers is read as it is.

The digest is of the bytes of the source, so that one name for other weights is seen. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from obverse.core.canon import digest
from obverse.core.errors import MisuseError, UntrustedInputError

DType = Literal["auto", "f32", "bf16"]

_WEIGHTS: Final = (".safetensors", ".bin")
_ENGINES: Final = ("torch", "transformers", "tokenizers", "gguf")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A model in memory, what its tokenizer is, and a digest of the weights as they lay on disk."""

    module: Any
    tokenizer: Any
    weights: str
    notes: tuple[str, ...] = ()


def load(source: Path, *, cache: Path, dtype: DType, told: Callable[[str], None], device: str = "cpu") -> Loaded:
    """The model at `source`: a GGUF file, a folder of transformers, or a PEFT adapter over one.

    Raises:
        MisuseError: if there is no such thing.
        UntrustedInputError: if it cannot be read as what it says it is.
    """
    if source.is_file():
        known = sha256([source])
        folder = converted(source, known, cache, told)
    elif (source / "adapter_config.json").is_file():
        return _adapted(source, cache=cache, dtype=dtype, told=told, device=device)
    elif (source / "config.json").is_file():
        files = sorted(file for file in source.iterdir() if file.suffix in _WEIGHTS)
        if not files:
            raise MisuseError("a folder without weights", code="B301", source=str(source), hint="`model.safetensors`")
        known = sha256([source / "config.json", *files])
        folder = source
    else:
        raise MisuseError(
            "no model here",
            code="B302",
            source=str(source),
            hint="a GGUF file, or a folder with `config.json` and `model.safetensors`",
        )
    module, tokenizer = _read(folder, precision(dtype), source)
    return Loaded(module=module.to(device), tokenizer=tokenizer, weights=known)


def precision(dtype: DType) -> torch.dtype:
    """bf16 for `auto` where this processor computes in it, else f32: elsewhere it is slower and no nearer."""
    if dtype == "auto":
        return torch.bfloat16 if has_bf16() else torch.float32
    return {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]


def has_bf16() -> bool:
    """Whether this processor has instructions for bf16."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)


def engines() -> dict[str, str]:
    """The packages that decide what comes out, with their versions."""
    return {name: importlib.metadata.version(name) for name in _ENGINES if importlib.util.find_spec(name) is not None}


def sha256(files: list[Path]) -> str:
    """Of the bytes of these files, one after another, each with its name and size before it."""
    found = hashlib.sha256()
    for file in files:
        if len(files) > 1:
            found.update(f"{file.name} {file.stat().st_size}\n".encode())
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                found.update(block)
    return found.hexdigest()


def converted(source: Path, known: str, cache: Path, told: Callable[[str], None]) -> Path:
    """The folder of transformers that this GGUF file is kept as, made now if it is not there.

    Weights are dequantised to f32, exactly; the folder appears whole or not at all.
    """
    with source.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise UntrustedInputError("no GGUF file", code="B303", source=str(source), hint="it begins with `GGUF`")
    if importlib.util.find_spec("gguf") is None:
        raise MisuseError("reading GGUF needs the package `gguf`", code="B304", hint='pip install "obverse[internals]"')
    versions = {"gguf": importlib.metadata.version("gguf"), "transformers": transformers.__version__, "layout": "1"}
    folder = cache / f"{source.parent.name}-{digest({'source': known, **versions}).removeprefix('sha256:')[:12]}"
    if (folder / "config.json").is_file():
        return folder
    told(f"converting `{source.name}` once, into {folder}")
    cache.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache))
    try:
        with _quiet():
            options: dict[str, Any] = {"gguf_file": source.name}
            tokenizer = AutoTokenizer.from_pretrained(source.parent, **options)
            module = AutoModelForCausalLM.from_pretrained(
                source.parent,
                quantization_config=transformers.GgufConfig(dequantize=True),
                dtype=torch.float32,
                **options,
            )
            module.save_pretrained(making)
            tokenizer.save_pretrained(making)
        making.chmod(0o755)
        making.rename(folder)
    except Exception as error:  # boundary: gguf and transformers on bytes from outside raise whatever they meet
        if not (folder / "config.json").is_file():  # somebody else may have made it meanwhile
            raise UntrustedInputError(
                f"cannot convert this: {_line(error)}", code="B305", source=str(source)
            ) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _read(folder: Path, dtype: torch.dtype, source: Path) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            module = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, dtype=dtype
            )
    except Exception as error:  # boundary: transformers on bytes from outside raises whatever it meets
        raise UntrustedInputError(f"cannot read this model: {_line(error)}", code="B306", source=str(source)) from error
    return module.eval(), tokenizer


def _adapted(source: Path, *, cache: Path, dtype: DType, told: Callable[[str], None], device: str) -> Loaded:
    """A PEFT adapter, merged into the model that it names, which must lie on this disk."""
    if importlib.util.find_spec("peft") is None:
        raise MisuseError(
            "an adapter needs the package `peft`",
            code="B307",
            source=str(source),
            hint="pip install peft, or merge the adapter into its model and save that",
        )
    peft: Any = importlib.import_module("peft")
    try:
        settings = json.loads((source / "adapter_config.json").read_text(encoding="utf-8"))
        named = Path(str(settings.get("base_model_name_or_path") or source))
    except (ValueError, AttributeError) as error:
        raise UntrustedInputError(
            f"cannot read its settings: {_line(error)}", code="B309", source=str(source)
        ) from error
    base = next((path for path in (named, source / named) if path.exists() and path != source), None)
    if base is None:
        raise MisuseError(
            f"the adapter is for `{named}`, which is not on this disk", code="B308", source=str(source), hint="its path"
        )
    under = load(base, cache=cache, dtype=dtype, told=told, device=device)
    try:
        module = peft.PeftModel.from_pretrained(under.module, str(source)).merge_and_unload().eval()
    except Exception as error:  # boundary: peft on bytes from outside, and adapters that cannot be merged
        raise UntrustedInputError(f"cannot merge this: {_line(error)}", code="B313", source=str(source)) from error
    files = sorted(file for file in source.iterdir() if file.suffix in _WEIGHTS)
    own = sha256([source / "adapter_config.json", *files])
    return Loaded(
        module=module, tokenizer=under.tokenizer, weights=f"{under.weights}+{own}", notes=("an adapter, merged",)
    )


def _line(error: Exception) -> str:
    """What it says, in one line of bounded length."""
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of transformers and gguf comes on the terminal while this is open."""
    logging = transformers.utils.logging
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # some of their bars ask nobody
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
        logging.set_verbosity(level)
