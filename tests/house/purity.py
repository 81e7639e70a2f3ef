"""Who touches the world: clock, environment, network and global randomness, found by the names that reach them.

A name counts wherever it stands, called or not: `now=time.time` as a default is a clock all the same. Not a proof: what
is reached through `getattr` or another package stays unseen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from direction import imports
from house import Module

CLOCK = frozenset({
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns",
    "time.process_time", "time.process_time_ns", "time.thread_time", "time.localtime", "time.gmtime", "time.ctime",
    "time.sleep", "time.strftime", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
    "datetime.date.today",
})  # fmt: skip
ENVIRONMENT = frozenset({
    "os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.getlogin", "os.path.expanduser",
    "os.path.expandvars", "os.getcwd", "pathlib.Path.home", "pathlib.Path.cwd", "sys.argv", "tempfile.gettempdir",
})  # fmt: skip
ENVIRONMENT_MODULES = frozenset({"platform", "getpass", "locale"})
NETWORK_MODULES = frozenset({
    "socket", "ssl", "socketserver", "http.client", "http.server", "urllib.request", "ftplib", "smtplib", "requests",
    "httpx", "httpx2", "aiohttp", "openai", "anthropic", "websockets",
})  # fmt: skip
SEEDED = frozenset({
    "random.Random", "numpy.random.default_rng", "numpy.random.Generator", "numpy.random.SeedSequence",
    "numpy.random.PCG64", "numpy.random.PCG64DXSM", "numpy.random.Philox", "numpy.random.BitGenerator",
})  # fmt: skip
GLOBAL_RANDOM = ("random.", "numpy.random.", "secrets.", "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4")


def touches(module: Module, may_touch: Mapping[str, Sequence[str]]) -> list[str]:
    """What this module reaches of the world and layers.toml does not give it."""
    wrong = []
    for line, kind, name in _found(module.tree):
        if not any(module.name == scope or module.name.startswith(f"{scope}.") for scope in may_touch[kind]):
            wrong.append(f"{module.name}:{line}: `{name}` reads the {kind}; take it as a parameter")
    return wrong


def _found(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    for one in imports(tree):
        if not one.typing_only and any(f"{one.name}.".startswith(f"{module}.") for module in NETWORK_MODULES):
            yield one.line, "network", one.name
    names = _aliases(tree)
    outermost = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    unseeded = {
        id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and not node.args + node.keywords
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in outermost:
            name = _resolved(node, names)
            kind = name and _kind(name, unseeded=id(node) in unseeded)
            if kind:
                yield node.lineno, kind, name


def _kind(name: str, *, unseeded: bool) -> str | None:
    if _begins(name, CLOCK):
        return "clock"
    if _begins(name, ENVIRONMENT) or name.split(".", maxsplit=1)[0] in ENVIRONMENT_MODULES:
        return "environment"
    if name.startswith(GLOBAL_RANDOM) and (unseeded or not _begins(name, SEEDED)):
        return "random"
    return None


def _begins(name: str, listed: frozenset[str]) -> bool:
    """`os.environ.get` begins with `os.environ`."""
    parts = name.split(".")
    return any(".".join(parts[:end]) in listed for end in range(1, len(parts) + 1))


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Local name → what it was imported as."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                for alias in node.names:
                    top = alias.name.split(".")[0]
                    names[alias.asname or top] = alias.name if alias.asname else top
            case ast.ImportFrom(module=str(module)):
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{module}.{alias.name}"
    return names


def _resolved(node: ast.expr, names: Mapping[str, str]) -> str:
    """The dotted name behind `np.random.rand`; empty where it does not begin with an import."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])
