"""Writes docs/measures.md from the committed result files, so that no figure in it was typed by hand.

    python tools/measures.py              `tests/house/test_measures.py` compares the page with what this prints

Each benchmark prints and stores its own figures; this only lays them side by side. A result that is not there is said to be
missing, never left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))
import measures_stability  # it stands beside this file, which is no package

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results"
PAGE: Final = ROOT / "docs" / "measures.md"
Rows = Iterator[tuple[str, str, str]]

HEAD = """\
# Measures

Every figure here comes from a file in [`benchmarks/results/`](../benchmarks/results/), written by the command beside it; run it
again and `python tools/measures.py` rewrites this page. They are of one machine with two cores, which other work shared at times
(`load` stands in the files). A ratio within one run tells more than a figure alone.
"""


def start(result: dict[str, Any]) -> Rows:
    """How long a user waits before anything happens."""
    rows = result["rows"]
    bare = rows["python -c pass"]["median_ms"]
    yield (
        "`import obverse`",
        f"{rows[_IMPORT]['median_ms']:.0f} ms, of it {bare:.0f} ms the interpreter",
        "under 150 ms",
    )
    yield "`obverse --help`", f"{rows['obverse --help']['median_ms']:.0f} ms", "under 250 ms"


def demo(result: dict[str, Any]) -> Rows:
    """The way in."""
    run = result["run_seconds"]
    yield (
        "`make demo` in an empty clone, downloads included",
        f"{result['seconds']:.0f} s, {run:.0f} s of it the run",
        "under 300 s",
    )


def check(result: dict[str, Any]) -> Rows:
    """The solver."""
    for name, row in result["policies"].items():
        aim = "under 5 s" if name == "airline" else ""
        text = f"{row['process_seconds']:.1f} s, {row['questions']} questions, {len(row['findings'])} findings"
        yield f"`obverse check`, {name} policy ({row['rules']} rules)", text, aim


def check_scale(result: dict[str, Any]) -> Rows:
    """How the solver's work grows with the policy."""
    aims = {"cold": "under 60 s", "one clause edited": "under 3 s"}
    for name, row in result["rows"].items():
        for kind, one in row.items() if "cold" in row else [("", row)]:
            asked = one["questions"] - one["not_asked"]
            text = f"{one['seconds']:.1f} s, {one['cpu_seconds']:.1f} s of it this program; {one['queries']:,} queries"
            kept = (
                f"{one['reused']:,} answered before"
                if kind
                else f"{asked:,} of {one['questions']:,} questions answered"
            )
            yield f"`obverse check`, {name}{f', {kind}' if kind else ''}", f"{text}, {kept}", aims.get(kind, "")


def check_corpus(result: dict[str, Any]) -> Rows:
    """Clean policies and planted defects."""
    clean, planted = result["clean"], result["planted"]
    alarms = sum(map(len, clean["false alarms"].values()))
    text = f"{alarms} false alarms, {clean['undecided']} undecided; {sum(clean['notes'].values())} notes"
    yield (
        f"{clean['policies']} clean policies of {clean['rules']} rules, by hand, of as many domains",
        text,
        "0 false alarms",
    )
    yield "one of them, nothing kept", f"median {clean['seconds']['median']} s, at most {clean['seconds']['max']} s", ""
    for code, row in planted["per code"].items():
        others = "; ".join(f"{row[name]} {name}" for name in ("as another", "open", "missed") if row[name])
        text = f"{row['found']} of {row['planted']} found{f'; {others}' if others else ''}"
        yield f"[{code}](analyses/{code}.md), planted in {len(row['operators'])} ways", text, ""
    yield "all planted defects", f"{planted['found']} of {planted['plants']} found as what they are", ""
    seconds = planted["seconds"]
    yield "a check after such an edit, the rest kept", f"median {seconds['median']} s, at most {seconds['max']} s", ""
    again, wrong = planted["asked again without kept answers"], planted["of these, another answer"]
    yield "the same without what was kept", f"{wrong} of {again} differ", "0"


def agreement(result: dict[str, Any]) -> Rows:
    """Evaluator, monitor and solver."""
    parts = result["parts"]
    steps = sum(number for part in parts.values() for number in part["steps compared"].values())
    policies = sum(part["policies"] for part in parts.values())
    what = f"{result['pairs']:,} random pairs of a policy and a transcript ({policies:,} policies)"
    yield what, f"{result['disagreements']} disagreements", "0"
    yield "of these, streaming monitor and `decide`", f"{steps:,} steps compared", ""
    answers = parts["solver"]["answers of the solver"]
    asked = sum(answers.get(name, 0) for name in ("Found", "Impossible", "Undecided"))
    text = f"{asked:,} asked of the solver: {answers.get('Found', 0):,} found and replayed, {answers.get('Undecided', 0)} undecided"
    yield (
        f"of these, what {parts['solver']['pairs']:,} scenarios show",
        f"{text}, {answers.get('Impossible', 0)} called impossible",
        "0",
    )


def diff(result: dict[str, Any]) -> Rows:
    """Comparing and explaining."""
    rows, every = result["policies"].values(), result["all"]
    same, different, open_ = (sum(row[key] for row in rows) for key in ("same", "different", "undecided"))
    text = f"{same} proved the same, {different} shown to differ, {open_} undecided"
    yield f"{every['mutants']:,} policies with one fault, compared with the {len(rows)} that they come from", text, ""
    missed, shown = (sum(row[key] for row in rows) for key in ("missed", "scenarios"))
    yield (
        "of those proved the same, shown to differ by the scenarios of the others",
        f"{missed} ({shown:,} scenarios)",
        "0",
    )
    times = f"mean {every['milliseconds_mean']} ms, median {every['milliseconds_median']} ms, 95 % in {every['milliseconds_p95']} ms"
    yield "one comparison, with a finder that is kept", times, "typically under 100 ms"
    one = result["process"]
    yield f"`obverse diff`, airline policy, {one['edit']}", f"{one['seconds']:.1f} s, import to exit", ""
    why = result["why"]
    text = f"{why['turned']} of {why['steps']} turned, mean {why['milliseconds_mean']} ms"
    yield "steps of the airline example that are not allowed, explained", text, ""


def grants(result: dict[str, Any]) -> Rows:
    """Grants: what they allow, what they do not, and what they cost."""
    every, times, register = result["all"], result["preview"], result["register"]
    shown = f"{every['allow_something']} shown to allow something, {every['nothing_proved']} proved to allow nothing, {every['undecided']} left open"
    yield f"{every['grants']} grants of one clause under {len(result['policies'])} policies, previewed", shown, ""
    text = f"median {times['milliseconds_median']} ms, mean {times['milliseconds_mean']} ms, 95 % in {times['milliseconds_p95']} ms"
    yield "one preview, with a finder that is kept", text, ""
    over = f"{every['spill_over']} of {every['decisions']:,} decisions under one grant or two"
    yield "spill-over: a verdict changed outside of the granted clauses or scope", over, "0"
    yield "steps that only a granted clause blocked, and that stayed blocked", str(every["missed"]), "0"
    yield "pairs of grants that together lift something else than each alone", str(every["pairs_differ"]), "0"
    yield "verdicts changed by texts and events that claim a grant", f"{every['claimed']} of {every['claims']:,}", "0"
    for name, row in register.items():
        yield f"register: {name}", f"p50 {row['p50_us']:,.0f} µs, p99 {row['p99_us']:,.0f} µs", ""


def cases(result: dict[str, Any]) -> Rows:
    """Inversion."""
    for name, row in result["rows"].items():
        aim = "under 15 s" if name == "synthetic" else ""
        yield f"`obverse cases`, {name} policy ({row['conditions']} conditions)", _inverted(row), aim
        if "full" in row:
            yield "… at full depth: exceptions, orders, pairs, contexts", _inverted(row["full"]), ""


def _inverted(row: dict[str, Any]) -> str:
    levels = row["coverage"].values()
    met, out, left = (sum(level[key] for level in levels) for key in ("met", "infeasible", "open"))
    size = row.get("size", {})
    few = f" (at least {size['lower_bound']} needed, {size['reworded']} reworded)" if size else ""
    return f"{row['seconds']:.1f} s, {row['cases']} cases{few}; {met} obligations met, {out} proved infeasible, {left} open"


def arrays(result: dict[str, Any]) -> Rows:
    """Covering arrays."""
    for name, row in result["rows"].items():
        told = [f"{tool} {_rows(one)}" for tool, one in row.items() if tool != "published"]
        told += (
            [f"published: {', '.join(f'{who} {size}' for who, size in row['published'].items())}"]
            if "published" in row
            else []
        )
        yield f"rows for {name}", "; ".join(told), ""
    ours = [row["obverse"] for row in result["rows"].values()]
    faults = sum(one.get("tuples missing", 1) + one.get("rows that break a constraint", 1) for one in ours)
    yield "missing tuples and forbidden rows in our arrays, by other code", str(faults), "0"


def _rows(one: dict[str, Any]) -> str:
    if "not measured" in one:
        return f"({one['not measured']})"
    faults = one["tuples missing"] + one["rows that break a constraint"]
    return f"{one['rows']} in {one['seconds']:.1f} s{f' with {faults} faults' if faults else ''}"


def mutation(result: dict[str, Any]) -> Rows:
    """What a suite notices of faults in the policy, beside other ways to write tests."""
    total = result["total"]
    of = total["not equivalent"]
    yield (
        f"mutants of {total['policies']} policies killed by `obverse cases --mutation`",
        f"{total['killed']} of {of}; {total['equivalent']} more proved equivalent, {total['undecided']} undecided",
        "all that are not equivalent",
    )
    yield (
        "by `obverse cases` alone",
        f"{total['killed by invert alone']} of {of} by {total['cases of invert']} cases",
        "",
    )
    small, pool, least = (total[key] for key in ("smallest", "least of the pool", "needed whatever the cases"))
    yield (
        "cases in the smallest suites that kill as much",
        f"{small}, chosen out of {total['cases']}; the least of these is {pool}, and no suite whatever does with fewer than {least}",
        "at most 1.2 times the minimum",
    )
    for name, found in total["by chance"].items():
        text = (
            f"{found['at smallest']:.0f} of {of} killed by {small} cases, {found['at whole']:.0f} by {total['cases']}"
        )
        yield f"instead of them: {name}, mean of {result['seeds']} seeds", text, ""
    others, second = total["other operators"], total["second order"]
    yield (
        "mutants of operators that the suite was not made for",
        f"{others['killed']} of {others['of']} killed by the suite, {others['killed by the smallest']} by the smallest",
        "",
    )
    told = f"{second['killed']} killed, {second['equivalent']} proved equivalent, {second['alive or undecided']} left"
    yield "mutants of second order", told, ""


def claims(result: dict[str, Any]) -> Rows:
    """Statistics."""
    coverage = result["coverage"]
    for key, what in (("upper_bound", "upper"), ("lower_bound", "lower")):
        yield (
            f"least coverage of the {what} bound over {len(coverage)} suites, stopping at will",
            _percent(coverage, key),
            "95 %",
        )
    yield "least coverage of the two-sided interval", _percent(coverage, "interval"), "95 %"
    yield (
        "an exact interval that is looked at after every block, for comparison",
        _percent(coverage, "peeked_exact_interval"),
        "",
    )


def runner(result: dict[str, Any]) -> Rows:
    """The runner."""
    for way, row in result["ways"].items():
        aim = "1,500/s" if way == "obverse" else ""
        yield f"{row['trials']:,} trials against one stub, {way}", f"{row['per_second']:,}/s, {row['peak_mb']} MB", aim
    if result.get("memory"):
        row = result["memory"]
        yield f"memory at {row['trials']:,} trials", f"{row['peak_mb']} MB", "under 500 MB"


def runner_kills(result: dict[str, Any]) -> Rows:
    """Kills."""
    text = (
        f"{result['lost']} lost, {result['asked_twice']} asked twice; "
        f"{result['in_doubt']} were under way at a kill and asked again"
    )
    yield f"{result['kills']} kill -9 at random, resumed, {result['trials']} trials", text, "0 and 0"


def runner_faults(result: dict[str, Any]) -> Rows:
    """Faults."""
    errors = result["tally"]["error"]
    text = (
        f"all ended in {result['seconds']:.0f} s; {errors} errors counted apart; "
        f"{result['outcomes_other_than_at_the_healthy_endpoint']} outcomes other than without faults"
    )
    yield f"faults on a fifth of {result['trials']} trials", text, "0"


def ledger(result: dict[str, Any]) -> Rows:
    """The ledger."""
    rows = {(row["way"], row["writers"], row["payloads"]): row for row in result.get("appends", ())}
    for payloads in (False, True):
        for writers in sorted({row["writers"] for row in rows.values()}):
            found = {way: row for (way, count, has), row in rows.items() if (count, has) == (writers, payloads)}
            text = "; ".join(
                f"{way}: {row['per_second']:,}/s, p99 {row['p99_ms']:.1f} ms" for way, row in found.items()
            )
            what = f"durable appends, {writers} writer{'s' if writers > 1 else ''}"
            yield what + (", two payloads each" if payloads else ""), text, ""
    if checks := result.get("check"):
        for way in ("verify", "fsck"):
            row = checks[way]
            yield f"{way} of {checks['entries']:,} entries", f"{row['seconds']:.0f} s, {row['peak_mb']} MB", ""
        for size, row in checks["proofs"].items():
            yield f"proof of one of {size} entries", f"{row['hashes']} hashes, receipt {row['receipt_bytes']} bytes", ""
    if row := result.get("replay"):
        text = f"{row['replayed']:,} come out again, {row['faults']} faults, {row['seconds']:.0f} s"
        yield f"replay of {row['decisions']:,} decisions", text, "seconds"
    if "good" in (row := result.get("foreign", {})):
        text = (
            f"{row['good']['Receipts']:,} of {row['proofs']:,} receipts and {row['good']['Consistency']:,} consistency proofs accepted; "
            f"of changed ones {row['changed']['Receipts'] + row['changed']['Consistency']}"
        )
        yield f"a foreign verifier, {row['verifier']}", text, "all and 0"


def gateway(result: dict[str, Any]) -> Rows:
    """The HTTP gateway beside a direct call and LiteLLM's proxy."""
    for name, row in result["rows"].items():
        for target in ("direct", "gateway", "LiteLLM"):
            if target in row:
                one = row[target]
                over = (
                    f"; overhead p50 {one['overhead p50 ms']:g}, p99 {one['overhead p99 ms']:g} ms"
                    if "overhead p50 ms" in one
                    else ""
                )
                yield (
                    f"{name}: {target}",
                    f"p50 {one['p50 ms']:g}, p99 {one['p99 ms']:g} ms{over}; {one['per second']:g} a second",
                    "",
                )
    opened = result["sessions"]
    text = f"{opened['bytes per idle session'] / 1024:.1f} KiB each; opened at {opened['per second']:g} a second"
    yield f"{opened['opened']:,} idle sessions of one turn", text, ""
    sync = result["append and flush on this disk"]
    yield (
        "an append of 400 bytes and a flush on the same disk",
        f"p50 {sync['p50 ms']:g}, p99 {sync['p99 ms']:g} ms",
        "",
    )


def audit(result: dict[str, Any]) -> Rows:
    """The audit."""
    chats = result.get("chats")
    if chats:
        yield (
            f"`obverse audit`, {chats['transcripts']} recorded transcripts",
            f"{chats['transcripts_per_second']}/s, start included; {chats['findings']} findings",
            "",
        )
    for row in result["events"]:
        yield (
            f"one transcript of {row['events']:,} events",
            f"{row['events_per_second']:,} events/s, {row['peak_megabytes']:.0f} MB",
            "constant memory",
        )


def dojo(result: dict[str, Any]) -> Rows:
    """AgentDojo."""
    for name, suite in result["suites"].items():
        user, attack, needed = (suite[key] for key in ("user tasks", "attacks", "attacks by their one needed act"))
        yield f"`{name}`: user tasks whose ground truth passes", f"{user['passed']} of {user['of']}", "all"
        yield f"`{name}`: attacks of which an act is blocked or asked", f"{attack['stopped']} of {attack['of']}", "all"
        yield (
            f"`{name}`: attacks of which nothing that changes anything went through",
            f"{attack['untouched']} of {attack['of']}",
            "",
        )
        if needed["of"]:
            yield (
                f"`{name}`: goals without a ground truth, by the one act they need",
                f"{needed['stopped']} of {needed['of']}",
                "",
            )
        for injections in [sorted({miss["injection"] for miss in attack["misses"]})] if attack["misses"] else []:
            tasks = sorted({miss["task"] for miss in attack["misses"]})
            yield f"`{name}`: missed in", f"{', '.join(tasks)}, with {', '.join(injections)}", ""


def airline_guard(result: dict[str, Any]) -> Rows:
    """Recorded conversations, with the guard in front."""
    for name, key in (("all conversations", "all"), ("conversations that ended as wanted", "reward 1")):
        acts, first = result["acts that change something"][key], result["the first blocked act of a conversation"][key]
        yield (
            f"{name}: acts that change something, blocked",
            f"{acts['blocked']} of {acts['of']}; a reader called the finding {_counted(acts['by label'])}",
            "",
        )
        blocked, of = result["conversations with a blocked act"][key], result["conversations"][key]
        yield f"{name}: with a blocked act", f"{blocked} of {of}; the first one {_counted(first['by label'])}", ""
    yield (
        "ended as wanted, an act blocked, and no block rests on a true finding: legitimate work stopped",
        f"{result['conversations with a blocked act']['reward 1, and no finding there is a true one']} of {result['conversations']['reward 1']}",
        "",
    )


def durable(result: dict[str, Any]) -> Rows:
    """Decisions of the guard that are on disk before anybody acts on them."""
    for name, row in result["one"].items():
        decided, plain, memory = (row[part] for part in ("decided", "plain", "in_memory"))
        yield (
            f"a decision under {result['rules']} rules, recorded and released; {name}",
            f"p50 {_ms(decided['p50_us'])}, p99 {_ms(decided['p99_us'])}; without a disk p50 {_ms(memory['p50_us'])}",
            f"beside a plain write and sync of the same {row['bytes']:,} bytes: p50 {_ms(plain['p50_us'])}, p99 {_ms(plain['p99_us'])}",
        )
    for row in result["many"]:
        yield f"decisions a second, {row['sessions']} sessions at once (group commit)", f"{row['per_second']:,}", ""
    idle = result["idle"]
    yield f"memory of an idle session, of {idle['sessions']:,}", f"{idle['bytes_opened'] / 1000:.1f} kB", ""


def _ms(us: float) -> str:
    return f"{us / 1000:.2f} ms"


def local_models(result: dict[str, Any]) -> Rows:
    """Local models."""
    for name, model in result["models"].items():
        for row in model["speed"]:
            if row["trials per minute"] is not None:
                what = f"{name}, {row['system message']} system message, {row['way']}"
                yield what, f"{row['trials per minute']} trials a minute", ""


def refusal_judge(result: dict[str, Any]) -> Rows:
    """The refusal judge."""
    for row in result["table"]:
        parts = [f"{part} {_rate(row[part])}" for part in ("accuracy", "sensitivity", "specificity") if row.get(part)]
        text = f"{'; '.join(parts)}; unknown {row['abstained']} of {row['labels']}"
        yield f"{row['name']}, `{row['predicate']}`", text, ""


def transport(result: dict[str, Any]) -> Rows:
    """The transport."""
    for way, row in result["ways"].items():
        yield (
            f"calls at concurrency {result['concurrency']}, {way}",
            f"{row['per_second']:,}/s, {row['cpu_us']} µs of processor each",
            "",
        )


def cedar_export(result: dict[str, Any]) -> Rows:
    """Cedar, and back."""
    plain, odd = result["rows"]["plain values"], result["rows"]["odd values"]
    yield (
        "requests decided by Cedar and by `decide`, values that Cedar can hold",
        f"{plain['requests']:,}, {plain['blocked']:,} of them blocked: {plain['looser']} looser, {plain['stricter']} stricter",
        "0 disagreements",
    )
    yield (
        "… odd values: huge, missing, of another type, look-alikes",
        f"{odd['requests']:,}, {odd['blocked']:,} of them blocked: {odd['looser']} looser, {odd['stricter']} stricter",
        "none looser",
    )
    share = 100 * result["rules_said_without_leaves"] / result["rules"]
    yield "random rules that Cedar can say by itself", f"{share:.0f} % of {result['rules']:,}", ""


def dogwood_export(result: dict[str, Any]) -> Rows:
    """Dogwood."""
    yield (
        "decisions by Dogwood's interpreter and by `decide`",
        f"{result['decisions']:,} under {result['policies']:,} policies: {result['policies_that_differ']} policies differ",
        "0",
    )


def draft(result: dict[str, Any]) -> Rows:
    """Drafting."""
    for name, row in result["rows"].items():
        aim = "all equivalent" if name == "knows the truth" else ""
        yield f"{row['rules']} rules from a scripted model that {name}", _drafted(row), aim
    for name, row in result.get("real models", {}).items():
        text = row.get("not measured") or _drafted(row)
        yield (
            f"{row.get('rules', 'no')} rules from `local:{name}`, {row.get('drafts of each', 0)} drafts of each",
            text,
            "",
        )
        long = row.get("of a long document")
        if long:
            what = f"{long['statements']} statements of a long document, terms first, `local:{name}`"
            yield what, f"{_counted(long['outcomes'])}; {long['terms proposed']} terms taken up", ""
    long = result.get("long document")
    if long:
        yield (
            f"a document of {long['characters']:,} characters, {long['statements']} statements, split",
            f"{long['seconds to split']:.2f} s, {long['characters in no piece']} characters in no piece",
            "0",
        )
        asked, edited = (
            long["calls for rules, stopped half-way and resumed"],
            long["calls after an edit of one statement"],
        )
        yield (
            "… drafted three times by a scripted model, stopped half-way and resumed",
            f"{asked:,} calls for {long['drafts wanted']:,} drafts; {edited} after an edit of one statement",
            "none twice",
        )


def texts(result: dict[str, Any]) -> Rows:
    """Words of cases."""
    for suite, rows in result["retold"].items():
        told = [row for name, row in rows.items() if not name.startswith("language")]
        least = min(told, key=lambda row: row["told"])
        text = f"{sum(row['told'] for row in told):,} of {sum(row['of'] for row in told):,} cases; at least {least['told']} of {least['of']}"
        yield f"{suite} suite in {len(told)} registers, channels, manners and devices of our own", text, ""
    for labeller, row in result["labellers"].items():
        for what, poles in row.items():
            parts = [f"{pole}: {_counted(poles[pole])}" for pole in ("yes", "no")]
            yield f"labels of {what}, {labeller}", "; ".join(parts), "wrong: 0"
    for suite, rows in result["poles"].items():
        for labeller in dict.fromkeys(name.partition(":")[0] for name in rows):
            told = {name: row for name, row in rows.items() if name.startswith(f"{labeller}:")}
            true = told.pop(f"{labeller}: is faithful")
            text = f"{true['told']} of {true['messages']}"
            yield f"messages of a faithful writer that are used, {suite}, labels by {labeller}", text, "all"
            text = f"{sum(row['told'] for row in told.values())} of {sum(row['messages'] for row in told.values())}"
            yield f"messages of {len(told)} liars that are used, {suite}, labels by {labeller}", text, "0"
    for writer, suites in result["writers"].items():
        for suite, row in suites.items() if isinstance(suites, dict) else ():
            read = ", ".join(f"{count} {what}" for what, count in row["read"].items()) or "none"
            text = f"{row['accepted']} of {row['written']} texts accepted; read one by one: {read}"
            yield f"{writer} as writer, {suite}", text, ""
    for suite, rows in result["diversity"].items():
        for what, row in rows.items():
            if row["texts"] > 1:
                text = f"{row['texts']} texts, distinct-2 {row['distinct_2']:.2f}, distance {row['distance']:.2f}, vendi {row['vendi']:.1f}"
                yield f"diversity of {suite}, {what}", text, ""


def agreement_monitor(result: dict[str, Any]) -> Rows:
    """Both monitors."""
    policies = sum(part["policies"] for part in result["parts"].values())
    what = (
        f"{result['steps']:,} random steps after a random history ({policies:,} policies): `decide` and both monitors"
    )
    yield what, f"{result['disagreements']} disagreements", "0, on 1,000,000"
    left, rules = result["rules of which an operator is left to the reference"], result["rules of all policies"]
    yield "rules of these policies with an operator that is not compiled", f"{left:,} of {rules:,}", ""


def decisions(result: dict[str, Any]) -> Rows:
    """Decisions, beside other engines."""
    for name, engine in result["engines"].items():
        if "why" in engine:
            yield name, f"not measured: {engine['why']}", ""
            continue
        ours = name == "obverse, compiled"
        version = f" {engine['version']}" if "version" in engine else ""
        found = {(cell["shape"], cell["number"], cell["past"]): cell for cell in engine["cells"]}
        forty = [_taken(found["spread", 40, past]) for past in (10, 1_000, 10_000)]
        aim = "p50 ≤ 5, p99 ≤ 20, flat" if ours else ""
        yield f"{name}{version} ({engine['rules']}): 40 rules, after 10, 1,000 and 10,000 calls", "; ".join(forty), aim
        many = [_taken(found["spread", number, 1_000]) for number in (1, 10, 200, 1_000)]
        yield f"{name}: 1, 10, 200 and 1,000 rules, after 1,000 calls", "; ".join(many), "200: p50 ≤ 8" if ours else ""
        one = [_taken(found["one", number, 1_000]) for number in (40, 200)]
        yield f"{name}: 40 and 200 rules about one tool, after 1,000 calls", "; ".join(one), ""
        yield f"{name}: 40 rules, after 1,000 calls", _speed(found["spread", 40, 1_000]), ""


def _taken(cell: dict[str, Any]) -> str:
    return f"{cell['p50']:,g} / {cell['p99']:,g} µs" if "p50" in cell else "not measured"


def _speed(cell: dict[str, Any]) -> str:
    if "p50" not in cell:
        return f"not measured: {cell['why']}"
    return (
        f"{cell['per_second']:,} decisions/s; {cell['wrong']} of {cell['steps']:,} verdicts wrong for the rules it got"
    )


SECTIONS: Final[dict[str, tuple[str, Callable[[dict[str, Any]], Rows]]]] = {
    "start": ("Starting", start),
    "demo": ("The way in", demo),
    "check": ("Proof", check),
    "check_scale": ("Proof of large policies", check_scale),
    "check_corpus": ("Clean policies and planted defects", check_corpus),
    "agreement": ("Do evaluator, monitor and solver agree", agreement),
    "agreement_monitor": ("Do the monitors agree with the evaluator", agreement_monitor),
    "decisions": ("Decisions, beside other engines: p50 / p99", decisions),
    "diff": ("Comparing two policies, and explaining a verdict", diff),
    "grants": ("Grants", grants),
    "cases": ("Inversion", cases),
    "arrays": ("Covering arrays", arrays),
    "mutation": ("Mutation score", mutation),
    "cedar_export": ("Export to Cedar", cedar_export),
    "dogwood_export": ("Export to Dogwood", dogwood_export),
    "draft": ("Drafting: rules, said in English, and back", draft),
    "texts": ("Words of cases", texts),
    "claims": ("Claims", claims),
    "runner": ("Running", runner),
    "runner_kills": ("Running, and being killed", runner_kills),
    "runner_faults": ("Running against a bad endpoint", runner_faults),
    "ledger": ("The ledger", ledger),
    "gateway": ("The HTTP gateway, recording each turn before it leaves", gateway),
    "transport": ("Asking", transport),
    "local_models": ("Small models on this machine", local_models),
    "audit": ("Audit", audit),
    "dojo": ("AgentDojo, replayed without a model", dojo),
    "airline_guard": ("Recorded conversations, had the guard stood in front", airline_guard),
    "durable": ("Decisions that are on disk before the act", durable),
    "refusal_judge": ("The refusal judge, on labels that it was not fitted on", refusal_judge),
    **measures_stability.SECTIONS,
}
_IMPORT = "python -c 'import obverse'"


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_section(name, title, rows) for name, (title, rows) in SECTIONS.items())


def _section(name: str, title: str, rows: Callable[[dict[str, Any]], Rows]) -> str:
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return f"\n## {title}\n\nNot measured yet: `benchmarks/results/{name}.json` is missing.\n"
    result = json.loads(file.read_text())
    lines = "\n".join(f"| {what} | {found} | {aim} |" for what, found, aim in rows(result))
    return f"\n## {title}\n\n`{result['command']}`\n\n| what | measured | aim |\n|---|---|---|\n{lines}\n"


def _drafted(row: dict[str, Any]) -> str:
    """What became of the rules, how many questions it took, and how many wrong drafts they put out."""
    kinds = ("equivalent", "wrong", "undecided", "not formalised", "left open")
    found = {name: count for name, count in row.items() if name.startswith(kinds) and "drafts" not in name}
    caught = (
        f"; {row['wrong drafts put out']} of {row['wrong drafts']} wrong drafts put out" if row["wrong drafts"] else ""
    )
    return f"{_counted(found)}; {row['questions']} questions{caught}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _percent(rows: list[dict[str, Any]], key: str) -> str:
    return f"{100 * min(row[key] for row in rows):.1f} %"


def _rate(rate: dict[str, Any]) -> str:
    share = 100 * rate["hits"] / rate["of"]
    return f"{share:.1f} % [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
