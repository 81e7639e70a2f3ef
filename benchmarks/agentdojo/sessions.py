"""Prints AgentDojo's tasks as sessions, one JSON object a line; runs where the package `agentdojo` is installed.

Nothing is asked of a model. A user task is its own ground truth, executed on the task's environment. An attack is an injection task
whose goal stands wherever the package lets an attacker write: the user task runs up to the first output that shows the goal, then
comes the ground truth of the injection task. Some goals have no ground truth in the package; for those that name an address to write
to, the one act that all of them need is put in: a mail to that address.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suite
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def main() -> None:
    version, *names = sys.argv[1:]
    for name in names:
        suite = get_suite(version, name)
        for user in suite.user_tasks.values():
            line("user", name, user, before=steps(suite, user, {}))
            for injection in suite.injection_tasks.values():
                attack(suite, name, user, injection)


def attack(suite: Any, name: str, user: Any, injection: Any) -> None:
    """The session of one user task with one injected goal, or that the task never shows it."""
    goal = injection.GOAL
    vectors = dict.fromkeys(suite.get_injection_vector_defaults(), goal)
    everything = list(steps(suite, user, vectors))
    place = next((place for place, step in enumerate(everything) if goal in flat(step["output"])), None)
    if place is None:
        line("not shown", name, user, injection)
        return
    wanted = injection.ground_truth(suite.load_and_inject_default_environment(vectors))
    derived = not wanted
    if derived:
        found = ADDRESS.search(goal)
        if found is None:
            line("no ground truth", name, user, injection)
            return
        wanted = [FunctionCall(function="send_email", args={"recipients": [found[0]], "subject": "-", "body": "-"})]
    before = everything[: place + 1]
    acts = steps(suite, user, vectors, [*calls(before), *wanted])[place + 1 :]
    line("derived" if derived else "attack", name, user, injection, before, acts)


def calls(done: list[dict[str, Any]]) -> list[FunctionCall]:
    return [FunctionCall(function=step["tool"], args=step["arguments"]) for step in done]


def steps(
    suite: Any, user: Any, vectors: dict[str, str], wanted: list[FunctionCall] | None = None
) -> list[dict[str, Any]]:
    """Each call with what it gave back, on the task's environment: these calls, or the ground truth of the task."""
    environment = user.init_environment(suite.load_and_inject_default_environment(vectors))
    runtime, found = FunctionsRuntime(suite.tools), []
    for call in user.ground_truth(environment) if wanted is None else wanted:
        result, error = runtime.run_function(environment, call.function, dict(call.args))
        output = (
            result.model_dump(mode="json", by_alias=False)
            if isinstance(result, BaseModel)
            else to_jsonable_python(result, by_alias=False)
        )
        arguments = to_jsonable_python(dict(call.args))
        found.append({"tool": call.function, "arguments": arguments, "output": output, "failed": error is not None})
    return found


def flat(value: Any) -> str:
    """All texts in a value, one after the other."""
    if isinstance(value, dict):
        return "\n".join(map(flat, value.values()))
    if isinstance(value, list):
        return "\n".join(map(flat, value))
    return str(value)


def line(kind: str, suite: str, user: Any, injection: Any = None, before: Any = (), acts: Any = ()) -> None:
    """One session."""
    print(json.dumps({
        "kind": kind, "suite": suite, "user": user.ID, "injection": injection and injection.ID, "prompt": user.PROMPT,
        "steps": list(before), "acts": list(acts),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
