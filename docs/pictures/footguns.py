"""Draw the pictures of docs/footguns.md: `python docs/pictures/footguns.py`.

Each shows a mistake on made data whose truth is known, with the functions that layerscope itself uses.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score

from layerscope.report.figure_style import MUTED, SERIES, drawing, new_figure
from layerscope.similarity.frame_sums import View, ViewSample, ViewSums, sums_of
from layerscope.similarity.measures import canonical, cka, debiased_cka

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(0)


def main() -> None:
    """Draw all."""
    for name, draw in {
        "chosen-on-test": chosen_on_test,
        "few-clips": few_clips,
        "shared-singers": shared_singers,
        "padding": padding,
        "batch-means": batch_means,
        "few-frames": few_frames,
    }.items():
        with drawing():
            figure = new_figure(6.2, 3.0)
            draw(figure.subplots())
            figure.savefig(HERE / f"{name}.png", dpi=110, facecolor="white", metadata={"Software": None})


def chosen_on_test(axes: Axes) -> None:
    """Twelve layers that are equally good: how much the best of them on test seems to be above."""
    counts = np.array([50, 100, 200, 290, 500, 1000, 2000])
    for colour, agreement in zip(SERIES, (0.0, 0.7), strict=False):
        gains = []
        for count in counts:
            shared = RANDOM.random((400, 1, count)) if agreement else 0
            own = RANDOM.random((400, 12, count))
            mixed = np.where(RANDOM.random((400, 12, count)) < agreement, shared, own)
            gains.append(100 * ((mixed < 0.8).mean(axis=2).max(axis=1) - 0.8).mean())
        label = "layers err independently" if not agreement else "layers err alike on 70 % of clips"
        axes.plot(counts, gains, "o-", color=colour, label=label)
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("test clips")
    axes.set_ylabel("points too many")
    axes.set_title("Layer chosen on the test clips (12 layers, true accuracy 80 %)", fontsize=10, loc="left")
    axes.legend(frameon=False)


def few_clips(axes: Axes) -> None:
    """How wide the interval of an accuracy is."""
    counts = np.array([50, 100, 200, 290, 500, 1000, 2000, 5000])
    for colour, accuracy in zip(SERIES, (0.6, 0.85, 0.95), strict=False):
        half = 196 * np.sqrt(accuracy * (1 - accuracy) / counts)
        axes.plot(counts, half, "o-", color=colour, label=f"accuracy {100 * accuracy:.0f} %")
    axes.axhline(1, color=MUTED, linestyle=":", linewidth=1)
    axes.text(50, 0.78, "a claim about one point", color=MUTED, fontsize=9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axes.set_xlabel("test clips")
    axes.set_ylabel("half of the 95 % interval, points")
    axes.set_title("Few clips carry no fine claim", fontsize=10, loc="left")
    axes.legend(frameon=False)


def shared_singers(axes: Axes) -> None:
    """Let singers, who leave a strong trace, sing techniques that leave a faint one."""
    sizes = [2, 5, 10, 20]
    scores: dict[str, list[float]] = {"singers on both sides": [], "singers kept apart": []}
    for size in sizes:
        found: dict[str, list[float]] = {name: [] for name in scores}
        for _ in range(8):
            singers = 24
            singer = np.repeat(np.arange(singers), size)
            voice = RANDOM.normal(size=(singers, 40))
            # Each singer has favourite techniques: the voice tells which.
            favourite = RANDOM.integers(4, size=singers)
            technique = np.where(
                RANDOM.random(len(singer)) < 0.7, favourite[singer], RANDOM.integers(4, size=len(singer))
            )
            trace = RANDOM.normal(size=(4, 40)) * 0.25
            x = voice[singer] + trace[technique] + 0.5 * RANDOM.normal(size=(len(singer), 40))
            mixed = RANDOM.permutation(len(singer)) % 4 == 0
            apart = singer % 4 == 0
            for name, test in (("singers on both sides", mixed), ("singers kept apart", apart)):
                model = LogisticRegression(max_iter=500).fit(x[~test], technique[~test])
                found[name].append(model.score(x[test], technique[test]))
        for name, values in found.items():
            scores[name].append(100 * float(np.mean(values)))
    for colour, (name, values) in zip(SERIES[1::-1], scores.items(), strict=False):
        axes.plot(sizes, values, "o-", color=colour, label=name)
    axes.axhline(25, color=MUTED, linestyle=":", linewidth=1)
    axes.set_xticks(sizes)
    axes.set_xlabel("clips of each singer")
    axes.set_ylabel("accuracy, %")
    axes.set_title("Vocal technique, 24 singers, four classes", fontsize=10, loc="left")
    axes.legend(frameon=False)


def padding(axes: Axes) -> None:
    """Pool clips with and without the zeros that fill them up to 30 s."""
    seconds = RANDOM.uniform(2, 30, 120)
    true = RANDOM.normal(5, 0.4, 120)
    axes.plot(seconds, true, "o", color=SERIES[0], markersize=4, label="mean of the clip's frames")
    axes.plot(seconds, true * seconds / 30, "o", color=SERIES[1], markersize=4, label="zeros up to 30 s included")
    axes.set_xlabel("length of the clip, s")
    axes.set_ylabel("one dimension, pooled")
    axes.set_title("Zero padding inside mean pooling turns into a feature: length", fontsize=10, loc="left")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 0.78))


def batch_means(axes: Axes) -> None:
    """R² of all clips, and the mean of the R² of batches."""
    truth = RANDOM.normal(size=960)
    guess = 0.6 * truth + 0.5 * RANDOM.normal(size=960)
    sizes = [6, 8, 16, 32, 64, 160]
    means = [
        np.mean([r2_score(truth[i : i + size], guess[i : i + size]) for i in range(0, 960, size)]) for size in sizes
    ]
    axes.plot(sizes, means, "o-", color=SERIES[1], label="mean over batches")
    axes.axhline(r2_score(truth, guess), color=SERIES[0], label="all clips at once")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlabel("batch size")
    axes.set_ylabel("R²")
    axes.set_title("R² is not a mean of batches (the same predictions throughout)", fontsize=10, loc="left")
    axes.legend(frameon=False)


def few_frames(axes: Axes) -> None:
    """Similarity of two views that have nothing in common, 64 wide."""
    counts = np.array([100, 200, 400, 640, 1280, 2560, 6400])
    lines: dict[str, list[float]] = {name: [] for name in (
        "PWCCA, scored on the frames it was fitted on", "PWCCA, scored on others", "CKA", "CKA, debiased")}  # fmt: skip
    for count in counts:
        fit, score = sums(count), sums(count)
        values = canonical(fit, fit)["pwcca_x"], canonical(fit, score)["pwcca_x"], cka(fit), debiased_cka(fit)
        for line, value in zip(lines.values(), values, strict=True):
            line.append(value)
    for colour, (name, line) in zip([SERIES[1], SERIES[0], SERIES[4], SERIES[2]], lines.items(), strict=True):
        axes.plot(counts, line, "o-", color=colour, label=name)
    axes.axvline(640, color=MUTED, linestyle=":", linewidth=1)
    axes.text(660, 0.45, "10 a dimension", color=MUTED, fontsize=9)
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("frames")
    axes.set_ylabel("similarity (truth: 0)")
    axes.set_title("Two unrelated views of width 64", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8)


def sums(count: int) -> ViewSums:
    """Return the sums of unrelated noise, each frame a clip of its own."""
    samples = [
        ViewSample(View(name, 0, 64), RANDOM.standard_normal((count, 64)), np.arange(count), np.zeros((count, 64)),
                   np.full(count, np.nan))
        for name in ("x", "y")
    ]  # fmt: skip
    return sums_of(samples, [np.zeros(64)] * 2)


if __name__ == "__main__":
    main()
