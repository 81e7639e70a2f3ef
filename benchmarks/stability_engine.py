"""The engine of `stability`: draws and readings a second, against plain `generate` and plain forward passes in a loop.

    python benchmarks/stability_engine.py [--write] [--model PATH ...] [--dtype f32 --dtype bf16]

Needs `obverse models fetch smollm2-135m`; `qwen-coder-0.5b` is measured too where it was fetched; `--model` takes a GGUF file or a
folder instead. Each model and arithmetic has a process of its own, in which every way is run once, one after the other. Answers
all have the same number of tokens, so that ways differ in speed only; the loop is run on fewer draws, since each costs it the same.
Whether the answers are the same is tried greedily, and on the logits behind the prompts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from obverse.core.chat import ChatMessage
from obverse.core.errors import UnavailableError
from obverse.stability.local.model import LocalModel
from obverse.stability.local.passes import Asked
from obverse.stability.opening import open_local
from obverse.stability.ports import Job, Read, Wants
from obverse.targets import catalogue

RESULT = Path(__file__).parent / "results" / "stability_engine.json"
CACHE = catalogue.cache_folder(os.environ)
TOKENS = 24
SAMPLES = 4
SYSTEM = (
    "You are the assistant of a small museum. Answer visitors politely and in a few sentences. Speak about opening hours, "
    "tickets, the collection, the café and the way to the museum. If somebody asks for something else, help if it is harmless."
)
ASKED = (
    "When does the museum open on Sundays, and how much is a ticket for two adults and a child?",
    "Please write a short poem about the old clock in the entrance hall.",
    "How do I get from the railway station to the museum with a bicycle?",
    "Which three paintings should I look at if I only have half an hour?",
)
FORMS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: f"{text} Please.",
    lambda text: text.replace("?", " ?").replace(".", " ."),
    lambda text: f"{text} Thank you very much in advance!",
)
WANTS = Wants(words={"no": ("sorry", "cannot", "unable"), "yes": ("sure", "certainly", "here")})
Chat = tuple[ChatMessage, ...]


def chats() -> list[Chat]:
    """Each request in each form, as a ladder would have it."""
    return [
        (ChatMessage(role="system", content=SYSTEM), ChatMessage(role="user", content=form(text)))
        for text in ASKED
        for form in FORMS
    ]


def jobs(asked: Sequence[Chat], temperature: float = 0.7, samples: int = SAMPLES) -> list[Job]:
    return [
        Job(id=str(at), messages=chat, seeds=tuple(range(samples)), temperature=temperature, max_tokens=TOKENS)
        for at, chat in enumerate(asked)
    ]


def timed(work: Callable[[], int]) -> dict[str, Any]:
    """What `work` did (a count), in how long, and the most memory that the process held meanwhile."""
    reset_peak()
    start, used = time.perf_counter(), processor_seconds()
    done = work()
    seconds = time.perf_counter() - start
    return {
        "done": done,
        "seconds": round(seconds, 2),
        "processor seconds": round(processor_seconds() - used, 2),
        "a second": round(done / seconds, 3),
        "peak MiB": peak(),
    }


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def reset_peak() -> None:
    with contextlib.suppress(OSError):  # then the peak is that of all before, too
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


def same_model(model: LocalModel, *, endless: bool = True, **options: Any) -> LocalModel:
    """The same weights with other options; answers without an end, unless said otherwise."""
    other = LocalModel(model.module, model.tokenizer, name=model.name, weights="", **options)
    if endless:
        other._engine._ends = frozenset()  # noqa: SLF001  # only a measurement wants answers without an end
    return other


def looped(model: LocalModel, asked: Sequence[Chat], count: int) -> int:
    """Plain `generate`, one draw at a time."""
    for at in range(count):
        ids = torch.tensor([model.render(asked[at % len(asked)])])
        torch.manual_seed(at)
        model.module.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=0.7, top_k=0, top_p=1.0,
            max_new_tokens=TOKENS, min_new_tokens=TOKENS, pad_token_id=0,
        )  # fmt: skip
    return count


def drawn(model: LocalModel, asked: Sequence[Chat], texts: dict[tuple[str, int], str]) -> int:
    """How many; `texts` has them afterwards."""
    texts.update({(answer.id, answer.seed): answer.text for answer in model.draw(jobs(asked)) if answer.error is None})
    return len(texts)


def read_plainly(model: LocalModel, asked: Sequence[Chat]) -> int:
    """One prompt at a time, everything that transformers gives: hidden states and attentions, with its own plain attention."""
    model.module.set_attn_implementation("eager")
    for chat in asked:
        ids = torch.tensor([model.render(chat)])
        with torch.inference_mode():
            model.module(input_ids=ids, output_hidden_states=True, output_attentions=True, use_cache=False)
    model.module.set_attn_implementation("obverse")
    return len(asked)


def read(model: LocalModel, asked: Sequence[Chat]) -> int:
    prompts = [Read(id=str(at), messages=chat) for at, chat in enumerate(asked)]
    return sum(reading.error is None for reading in model.read(prompts, WANTS))


def agreement(model: LocalModel, asked: Sequence[Chat], few: int, exact: torch.Tensor | None) -> dict[str, Any]:
    """Greedy texts against `generate`, and the largest difference of a logit behind a prompt, batched and shared against alone."""
    same = 0
    sharing = same_model(model, endless=False)
    texts = {answer.id: answer.text for answer in sharing.draw(jobs(asked[:few], temperature=0.0, samples=1))}
    for at, chat in enumerate(asked[:few]):
        ids = torch.tensor([model.render(chat)])
        out = model.module.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS, eos_token_id=sorted(model.ends),
            pad_token_id=0,
        )  # fmt: skip
        same += texts[str(at)] == model.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    shared, plain = logits(model, asked), alone(model, asked)
    return {
        "greedy texts compared": few,
        "greedy texts the same": same,
        "largest difference of a logit": rounded(shared - plain),
        "logits, absolute": rounded(plain),
        **({} if exact is None else beside(exact, shared, plain)),
    }


def beside(exact: torch.Tensor, shared: torch.Tensor, plain: torch.Tensor) -> dict[str, Any]:
    """How far both are from f32: rounding, or something that sharing and batches add to it."""
    return {
        "mean difference from f32, alone": float(f"{float((plain - exact).abs().mean()):.3g}"),
        "mean difference from f32, batched and shared": float(f"{float((shared - exact).abs().mean()):.3g}"),
    }


def rounded(found: torch.Tensor) -> float:
    """The largest, without its sign."""
    return float(f"{float(found.abs().max()):.3g}")


def logits(model: LocalModel, asked: Sequence[Chat]) -> torch.Tensor:
    """Behind each prompt, (prompts, vocabulary), in batches and with shared prefixes."""
    runner = same_model(model)._runner  # noqa: SLF001  # logits do not leave the product
    prompts = [model.render(chat) for chat in asked]
    runner.share([prompt[:-1] for prompt in prompts], lambda: False)
    found: dict[tuple[int, ...], torch.Tensor] = {}
    for batch in runner.batches([Asked(runner.prefixes.longest(prompt[:-1]), prompt) for prompt in prompts]):
        lasts = torch.tensor([len(each.new) - 1 for each in batch])
        _, behind = runner.run(batch, lambda states, at=lasts: states[torch.arange(len(at)), at][:, None])
        found.update({tuple(each.tokens): behind[row, 0].float() for row, each in enumerate(batch)})
    return torch.stack([found[prompt] for prompt in prompts])


def alone(model: LocalModel, asked: Sequence[Chat]) -> torch.Tensor:
    """The same, each prompt by itself."""
    with torch.inference_mode():
        return torch.stack(
            [
                model.module(input_ids=torch.tensor([model.render(chat)]), use_cache=False).logits[0, -1].float()
                for chat in asked
            ]
        )


def one(source: Path, name: str, dtype: str, few: int, threads: int | None) -> dict[str, Any]:
    """Every way with one model in one arithmetic."""
    model = open_local(source, name=name, cache=CACHE / "converted", dtype=dtype, threads=threads)
    asked = chats()
    exact = None
    if dtype != "f32":
        exact = alone(open_local(source, name=name, cache=CACHE / "converted", threads=threads), asked)
    looped(model, asked, 1)  # the first call of anything is slow
    ways: dict[str, dict[str, Any]] = {}
    one_by_one: dict[tuple[str, int], str] = {}
    batched: dict[tuple[str, int], str] = {}
    ways["draws: generate in a loop"] = timed(lambda: looped(model, asked, few))
    ways["draws: one by one, prefixes shared"] = timed(
        lambda: drawn(same_model(model, rows=1), asked[: max(1, few // SAMPLES)], one_by_one)
    )
    ways["draws: batched, nothing shared"] = timed(lambda: drawn(same_model(model, shares=False), asked, {}))
    ways["draws: batched, prefixes shared"] = timed(lambda: drawn(same_model(model), asked, batched))
    ways["readings: plain passes in a loop"] = timed(lambda: read_plainly(model, asked))
    ways["readings: batched, nothing shared"] = timed(lambda: read(same_model(model, shares=False), asked))
    ways["readings: batched, prefixes shared"] = timed(lambda: read(same_model(model), asked))
    for kind, base in (("draws", "draws: generate in a loop"), ("readings", "readings: plain passes in a loop")):
        for way, row in ways.items():
            if way.startswith(kind):
                row["times the loop"] = round(row["a second"] / ways[base]["a second"], 2)
                row["times the loop, processor"] = round(
                    (row["done"] / row["processor seconds"]) / (ways[base]["done"] / ways[base]["processor seconds"]), 2
                )
    return {
        "fingerprint": model.fingerprint(),
        "dtype": dtype,
        "prompt tokens": [len(model.render(chat)) for chat in asked],
        "ways": ways,
        "agreement": {
            "sampled texts, one by one against batched": len(one_by_one),
            "sampled texts the same": sum(batched[key] == text for key, text in one_by_one.items()),
            **agreement(model, asked, few, exact),
        },
    }


def sources(args: argparse.Namespace) -> list[tuple[str, Path, int]]:
    if args.model:
        return [(path.stem, path, 8) for path in args.model]
    found = []
    for name, few in (("smollm2-135m", 12), ("qwen-coder-0.5b", 6)):
        try:
            folder = catalogue.located(name, CACHE)
        except UnavailableError as error:
            print(error)
            continue
        [file] = catalogue.find(name).files
        found.append((name, folder / file.name, few))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, action="append", help="a GGUF file, or a folder of transformers")
    parser.add_argument("--dtype", action="append", choices=("f32", "bf16"))
    parser.add_argument("--threads", type=int, help="of PyTorch; on a busy machine one is faster than two")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        source, name, dtype, few = args.one
        print(json.dumps(one(Path(source), name, dtype, int(few), args.threads)))
        return
    result: dict[str, Any] = {
        "command": " ".join(["python benchmarks/stability_engine.py", *sys.argv[1:]]),
        "rerun": "run the command again: it overwrites this file",
        "cores": os.cpu_count(),
        "threads": args.threads or torch.get_num_threads(),
        "load when started": round(os.getloadavg()[0], 1),
        "tokens of each answer": TOKENS,
        "draws": len(chats()) * SAMPLES,
        "note": "the loop draws fewer, and its rate is compared; the memory is that of the whole process, weights included",
        "runs": [],
    }
    for name, source, few in sources(args):
        for dtype in args.dtype or ("f32", "bf16"):
            command = [sys.executable, __file__, "--one", str(source), name, dtype, str(few)]
            if args.threads:
                command += ["--threads", str(args.threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            found = json.loads(done.stdout.splitlines()[-1])
            result["runs"].append({"model": name, **found})
            for way, row in found["ways"].items():
                print(
                    f"{name} {dtype} {way:40} {row['a second']:8.2f}/s  {row['times the loop']:6.2f} x  {row['times the loop, processor']:6.2f} x  {row['peak MiB']} MiB"
                )
            print(name, dtype, found["agreement"], flush=True)
            if args.write:  # after each: a run that is broken off leaves what it has
                RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
