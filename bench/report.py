"""The report: one table for each kind of figure, and the targets."""

import platform
import statistics
from datetime import date

from programs import AXUM, AXUM_FOUR, CORES, OURS, TITLES
from scenarios import (
    ATTACKS, BESIDE_LOGINS, BESIDE_LONG_SEARCHES, BESIDE_SEARCHES, BESIDE_WRITES, CROWDS, LIST_LABEL, LOGIN_LABEL,
    POST_CONNECTIONS, RESOURCES_LABEL, attack_label, crowd_label, hello_label, post_label,
)


class Results:
    """The figures of all rounds, by scenario label, program name and name of the figure."""

    def __init__(self, rounds, programs):
        self.rounds, self.programs = rounds, programs

    def values(self, label, program, figure):
        """Returns the figure of each round; an empty list if it is not measured."""
        rounds = self.rounds.get(label, {}).get(program, [])
        return [figures[figure] for figures in rounds if figure in figures]

    def median(self, label, program, figure):
        values = self.values(label, program, figure)
        return statistics.median(values) if values else None

    def most(self, label, program, figure):
        return max(self.values(label, program, figure), default=None)

    def ratio(self, label, program, other, figure="rate"):
        """Returns the median of the rounds' ratios: a slow period slows both programs, which leaves their ratio
        unchanged."""
        return median_ratio(self.values(label, program, figure), self.values(label, other, figure))

    def ratio_of_scenarios(self, label, other_label, program):
        return median_ratio(self.values(label, program, "rate"), self.values(other_label, program, "rate"))

    def most_threads(self, name):
        return max((program.most_threads for program in self.programs if program.name == name), default=0)


def median_ratio(values, divisors):
    ratios = [value / divisor if divisor else float("inf") for value, divisor in zip(values, divisors)]
    return statistics.median(ratios) if ratios else None


# ---- tables of figures ------------------------------------------------------------------------------


def rate_cell(results, label, program):
    rate = results.median(label, program, "rate")
    text = f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.1f}/s"
    if program != OURS:
        text += f" ({results.ratio(label, OURS, program):.2f} ×)"
    return text + refused_text(results.median(label, program, "refused"))


def refused_text(share):
    return f", {share * 100:.1f} % refused" if share else ""


def p99_cell(results, label, program):
    text = f"{results.median(label, program, 'p99_ms'):.2f} ms"
    beside = results.median(label, program, "beside")
    if beside is None:
        return text
    refused = refused_text(results.median(label, program, "beside_refused"))
    return f"{text} (beside {beside:,.0f}/s{refused})"


def cpu_cell(results, label, program):
    return f"{results.median(label, program, 'cpu_us'):.0f} µs"


def crowd_cell(results, label, program):
    text = f"{results.median(label, program, 'seconds'):.1f} s ({results.median(label, program, 'factor'):.2f} ×)"
    refusals = results.median(label, program, "refusals")
    left_out = results.median(label, program, "left_out")
    return text + f", {refusals:.0f} refused" * bool(refusals) + f", {left_out:.0f} not in" * bool(left_out)


def attack_cell(results, label, program):
    answered = sum(results.values(label, program, "answered"))
    people = sum(results.values(label, program, "people"))
    slowest = results.most(label, program, "slowest")
    return f"{answered} of {people}" + (f", slowest {slowest:.2f} s" if answered else "")


def resources_cell(results, label, program):
    start, idle, connected = (
        results.median(label, program, figure) for figure in ("start_ms", "idle_mb", "connected_mb")
    )
    return f"{start:.0f} ms, {idle:.1f} MB, {connected:.1f} MB, {results.most_threads(program)}"


# Title of the table, the figure by which its scenarios are found, and the text of a cell.
TABLES = [
    ("Responses per second; in brackets, the figure of task-api divided by this one", "rate", rate_cell),
    ("99th percentile of the response time", "p99_ms", p99_cell),
    ("CPU time of the server per response", "cpu_us", cpu_cell),
    ("Time until all people are signed in; in brackets, divided by people × one hash ÷ cores", "factor", crowd_cell),
    ("People who are signed in within 2 s, one after another, beside an attacker", "answered", attack_cell),
    ("Start to first response, resident memory idle, with 5,000 idle connections, most threads in any scenario",
     "idle_mb", resources_cell),
]


def figures_table(results, title, figure, cell):
    """Returns the table of all scenarios that have the figure; `None` if there is none."""
    is_measured = lambda label, name: bool(results.values(label, name, figure))
    labels = [label for label, row in results.rounds.items() if any(is_measured(label, name) for name in row)]
    if not labels:
        return None
    names = [program.name for program in results.programs if any(is_measured(label, program.name) for label in labels)]
    rows = [
        [label, *(cell(results, label, name) if is_measured(label, name) else "" for name in names)] for label in labels
    ]
    return f"{title}:\n\n{table(['', *(TITLES[name] for name in names)], rows)}"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


# ---- targets ----------------------------------------------------------------------------------------


def row(label, target, measured, is_met):
    return [label, target, measured, "" if is_met else "missed"]


def at_least(results, label, scenario, peer, minimum):
    measured = results.ratio(scenario, OURS, peer)
    if measured is not None:
        label = f"{label}, relative to {TITLES[peer]}"
        yield row(label, f"{minimum:.1f} ×", f"{measured:.2f} ×", measured >= minimum)


def not_above_peer(results, label, scenario, figure):
    measured = results.ratio(scenario, OURS, AXUM, figure)
    if measured is not None:
        yield row(f"{label}, relative to {TITLES[AXUM]}", "at most 1.0 ×", f"{measured:.2f} ×", measured <= 1)


def at_most(label, measured, maximum, unit, digits=1):
    if measured is not None:
        target = f"at most {maximum} {unit}".strip()
        yield row(label, target, f"{measured:.{digits}f} {unit}".strip(), measured <= maximum)


def rates(results):
    for connections, minimum in [(1, 1.2), (32, 1.6), (256, 1.5)]:
        label = hello_label(connections)
        yield from at_least(results, label, label, AXUM, minimum)
    yield from at_least(results, LIST_LABEL, LIST_LABEL, AXUM, 1.3)
    yield from not_above_peer(results, f"{LIST_LABEL}, p99", LIST_LABEL, "p99_ms")
    label = post_label(POST_CONNECTIONS[0])
    yield from at_least(results, f"{label}, the same indexes", label, AXUM, 1.0)
    yield from at_least(results, label, label, AXUM_FOUR, 0.7)
    for connections in POST_CONNECTIONS[1:]:
        yield from many_writers(results, post_label(connections), label)
    yield from not_above_peer(results, f"{hello_label(32)}, CPU per request", hello_label(32), "cpu_us")
    yield from not_above_peer(results, f"{LIST_LABEL}, CPU per request", LIST_LABEL, "cpu_us")


def many_writers(results, label, fewer_label):
    refused = results.most(label, OURS, "refused")
    if refused is not None:
        yield row(f"{label}, refused", "0 %", f"{refused * 100:.2f} %", refused == 0)
    measured = results.ratio_of_scenarios(label, fewer_label, OURS)
    if measured is not None:
        label = f"{label}, relative to {POST_CONNECTIONS[0]} connections"
        yield row(label, "1.0 ×", f"{measured:.2f} ×", measured >= 1)


def sign_ins(results):
    share = results.median(LOGIN_LABEL, OURS, "share")
    if share is not None:
        hash_ms = results.median(LOGIN_LABEL, OURS, "hash_ms")
        label = f"{LOGIN_LABEL}, relative to {CORES} cores ÷ the time of one hash ({hash_ms:.0f} ms)"
        yield row(label, "0.95", f"{share:.2f}", share >= 0.95)
    for label in (crowd_label(*crowd) for crowd in CROWDS):
        factor = results.median(label, OURS, "factor")
        if factor is not None:
            refused = results.most(label, OURS, "refusals")
            left_out = results.most(label, OURS, "left_out")
            measured = f"{refused} refused, {left_out} not in, {factor:.2f} ×"
            yield row(label, "none refused, all in within 1.2 ×", measured, refused == left_out == 0 and factor <= 1.2)
    for label in (attack_label(*attack) for attack in ATTACKS):
        people = sum(results.values(label, OURS, "people"))
        if people:
            answered = sum(results.values(label, OURS, "answered"))
            measured = attack_cell(results, label, OURS)
            yield row(f"{label}: honest sign-ins within 2 s", "all", measured, answered == people)


def latencies(results):
    for label in [BESIDE_LOGINS, BESIDE_WRITES, BESIDE_SEARCHES, BESIDE_LONG_SEARCHES]:
        yield from at_most(f"{label}, p99", results.median(label, OURS, "p99_ms"), 5, "ms", digits=2)


def resources(results):
    figure = lambda name: results.median(RESOURCES_LABEL, OURS, name)
    if figure("idle_mb") is not None:
        yield from at_most("threads, the most in any scenario", results.most_threads(OURS), 56, "", digits=0)
    yield from at_most("resident memory, idle", figure("idle_mb"), 8, "MB")
    yield from at_most("resident memory, 5,000 idle connections", figure("connected_mb"), 12, "MB")
    yield from at_most("start to first response", figure("start_ms"), 8, "ms")


def targets(results):
    rows = [line for part in (rates, latencies, sign_ins, resources) for line in part(results)]
    return "Targets:\n\n" + table(["", "target", "measured", ""], rows)


def report(version, results, missing, rounds, seconds):
    machine = f"{CORES} cores, {platform.machine()}, {platform.system()}"
    intro = (f"{version}, measured on {date.today()}; {machine}; median of {rounds} rounds of {seconds} s.\n"
             "The request log is off except in the column that names it.")
    tables = [figures_table(results, *kind) for kind in TABLES]
    notes = [f"Without {title}, which could not be installed." for title in missing]
    return "\n\n".join([intro, targets(results), *filter(None, tables), *notes]) + "\n"
