"""The program that holds one model: `python -m obverse.targets.local_server SETTINGS`, a process of its own.

Why a process: the native engine takes SIGINT and SIGTERM for itself, ends the whole process when it is closed during a
request or given a broken file, holds the interpreter while it loads, and writes to stdout. Here none of that reaches a
run.

It listens on a Unix socket in a folder that only its user can enter: no port, nothing a browser could reach. It says
`ready` on stdout, and ends when its stdin closes, so it cannot outlive its owner, however that ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import msgspec

from obverse.targets.local_settings import SOCKET, ServerSettings


def main(settings: ServerSettings) -> None:
    """Serve until stdin closes."""
    tell = os.dup(1)
    os.dup2(2, 1)  # whatever native code prints goes to stderr
    server = _serve(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.write(tell, b"ready\n")
    os.read(0, 1)  # nothing is ever written: it returns when the owner lets go, or is gone
    shutil.rmtree(settings.folder, ignore_errors=True)
    # An orderly end would wait for the batch under way, or abort; everything worth keeping is with the owner.
    os._exit(0 if server else 1)


def _serve(settings: ServerSettings) -> object:
    # Threads that spin at each barrier stall a busy machine: 40 times slower was seen. Read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import xllamacpp

    folder = Path(settings.folder)
    params = xllamacpp.CommonParams()
    params.verbosity = 0
    params.model.path = settings.model
    params.hostnames = [str(folder / SOCKET)]
    params.slot_save_path = f"{folder}/"
    params.n_ctx = settings.context * settings.slots
    params.n_parallel = settings.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.n_gpu_layers = 0
    # Flash attention on a CPU is slower, and it moves greedy answers far more when a batch is cut elsewhere.
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.fit_params = False  # it would change the context that was asked for
    params.cache_ram_mib = 0  # the snapshots of `local_engine` do this work, and repeatably
    params.warmup = False
    params.ui = False
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=ServerSettings))
