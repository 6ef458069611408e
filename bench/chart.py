"""Draws one chart. Runs in a virtual environment with matplotlib, and reads a JSON object from the standard input.

`python bench/chart.py` is called by bench/run.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"
# Without it the ids in the file are random, and each run changes all of them.
matplotlib.rcParams["svg.hashsalt"] = "task-api"
import matplotlib.pyplot as plt

COLOURS = ["#c2410c", "#f59e0b", "#2563eb", "#16a34a", "#6b7280", "#9333ea", "#0d9488", "#be185d"]
GREY = "#6b7280"


def draw(chart):
    names, labels = chart["names"], chart["labels"]
    figure, axes = plt.subplots(figsize=(8.5, 1.4 + 0.22 * len(labels) * (len(names) + 1)))
    height = 0.8 / len(names)
    for index, (name, values) in enumerate(zip(names, chart["rows"])):
        y = [line + index * height for line in range(len(labels))]
        widths = [value or 0 for value in values]
        bars = axes.barh(y, widths, height * 0.9, label=name, color=COLOURS[index % len(COLOURS)])
        texts = ["" if value is None else f"{value:.2f}" for value in values]
        axes.bar_label(bars, texts, padding=3, fontsize=8, color=GREY)
    axes.set_yticks([line + 0.4 - height / 2 for line in range(len(labels))], labels)
    axes.invert_yaxis()
    axes.axvline(chart["line"], color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xlabel(chart["unit"])
    if chart["logarithmic"]:
        axes.set_xscale("log")
    style(axes, len(names))
    figure.tight_layout()
    figure.savefig(chart["path"], transparent=True, metadata={"Date": None})


def style(axes, columns):
    for side in ["top", "right"]:
        axes.spines[side].set_visible(False)
    for item in [axes.xaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]:
        item.set_color(GREY)
    axes.tick_params(colors=GREY, which="both")
    for spine in axes.spines.values():
        spine.set_color(GREY)
    axes.legend(frameon=False, labelcolor=GREY, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=min(columns, 4))


draw(json.load(sys.stdin))
