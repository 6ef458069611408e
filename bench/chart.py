"""Draws one chart: bench/run calls this file in a virtual environment with matplotlib, and writes a JSON object to its
standard input."""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"
# Without it the ids in the file are random, and each run changes all of them.
matplotlib.rcParams["svg.hashsalt"] = "task-api"
import matplotlib.pyplot as plt

COLOURS = {
    "task-api": "#c2410c",
    "task-api with request log": "#f59e0b",
    "task-api, other binary": "#be185d",
    "on rouille's server": "#facc15",
    "axum": "#2563eb",
    "axum, four indexes": "#7dd3fc",
    "Fastify": "#16a34a",
    "Flask": "#9ca3af",
}
GREY = "#6b7280"


def draw(chart):
    names, labels = chart["names"], chart["labels"]
    figure, axes = plt.subplots(figsize=(8.5, 1.4 + 0.22 * len(labels) * (len(names) + 1)))
    height = 0.8 / len(names)
    for index, (name, values) in enumerate(zip(names, chart["rows"])):
        y = [line + index * height for line in range(len(labels))]
        widths = [value or 0 for value in values]
        bars = axes.barh(y, widths, height * 0.9, label=name, color=COLOURS[name])
        texts = ["" if value is None else f"{value:.2f}" for value in values]
        axes.bar_label(bars, texts, padding=3, fontsize=8, color=GREY)
    axes.set_yticks([line + 0.4 - height / 2 for line in range(len(labels))], labels)
    axes.invert_yaxis()
    axes.axvline(chart["line"], color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xlabel(chart["unit"])
    style(axes)
    figure.savefig(chart["path"], transparent=True, bbox_inches="tight", metadata={"Date": None})


def style(axes):
    for side in ["top", "right"]:
        axes.spines[side].set_visible(False)
    for item in [axes.xaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]:
        item.set_color(GREY)
    axes.tick_params(colors=GREY)
    for spine in axes.spines.values():
        spine.set_color(GREY)
    axes.legend(frameon=False, labelcolor=GREY, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)


draw(json.load(sys.stdin))
