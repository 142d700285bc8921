"""What networks do and what their weights are, in numbers and pictures."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import skew

COLOURS = {"exc": "#0072B2", "inh": "#D55E00", "first": "0.6", "left": "#009E73"}
LABELS = {
    "w_in": "input",
    "w_exc": "excitatory",
    "w_inh": "inhibitory",
    "w_out": "readout",
}


def weight_statistics(weights):
    """Mean, standard deviation, skewness, share of zeros, by name of the synapses."""
    found = {}
    for name in LABELS:
        w = weights[f"{name}.w"]
        found[name] = (w.mean(), w.std(), skew(w), np.mean(w == 0))
    return found


def activity(spikes, right, task, exc):
    """
    What neurons do in a trial.

    Parameters
    ----------
    spikes : ndarray, shape (trials, steps, neurons)
    right : ndarray of int
        Answers that are asked for.
    exc : int
        Number of excitatory neurons.

    Returns
    -------
    dict of str to float
        Mean rates (Hz) of E and I, while there are cues, in the delay and in recall;
        share of neurons that never spike; coefficient of variation of rates among
        neurons; share of neurons that tell left from right (d' above 1) by the number
        of their spikes, and of all.
    """
    shown = task.steps - task.recall - task.delay
    counts = spikes.sum(axis=1, dtype=float)
    rates = counts.mean(axis=0) / task.steps * 1e3
    left, right = counts[right == 0], counts[right == 1]
    spread = np.sqrt(0.5 * (left.var(axis=0) + right.var(axis=0))) + 1e-9
    prefer = np.abs(left.mean(axis=0) - right.mean(axis=0)) / spread
    return {
        "excitatory": rates[:exc].mean(),
        "inhibitory": rates[exc:].mean(),
        "cues": 1e3 * spikes[:, :shown].mean(),
        "delay": 1e3 * spikes[:, shown : -task.recall].mean(),
        "recall": 1e3 * spikes[:, -task.recall :].mean(),
        "silent": np.mean(rates == 0),
        "variation": rates.std() / max(rates.mean(), 1e-9),
        "selective": np.mean(prefer > 1),
    }


def print_tables(first, trained, what, seed):
    """All statistics of one network, before and after."""
    print(f"\nWeights, seed {seed}: mean, standard deviation, skewness, share of zeros")
    for name, label in LABELS.items():
        for when, rows in (("first", first), ("trained", trained)):
            numbers = "".join(f" {number:9.4f}" for number in rows[name])
            print(f"  {f'{label}, {when}':<24}{numbers}")
    print("Activity: rates (Hz), shares")
    for name in what["first"]:
        numbers = "".join(f" {what[when][name]:9.4f}" for when in ("first", "trained"))
        print(f"  {name:<24}{numbers}")


# -- pictures ------------------------------------------------------------------------
def draw(path, histories, weights, outputs, right, made, exc, online):
    """
    Learning, weights and two trials.

    Parameters
    ----------
    path : path-like
    histories : dict of str to dict
        Of the training, by label.
    weights : dict of str to dict
        'first' and 'trained'.
    outputs : dict of str to ndarray
        Of the trained network.
    right : ndarray
        Right answers of these trials.
    made : SimpleNamespace
    exc : int
        Number of excitatory neurons.
    online : dict of str to ndarray, shape (updates, trials)
        Whether answers were right while networks learned online, by task.
    """
    plt.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(3, 4, figsize=(15, 9), layout="constrained")
    draw_learning(axes[0, :2], histories, online)
    for axis, name in zip([*axes[0, 2:], *axes[1, :2]], LABELS, strict=True):
        draw_weights(axis, weights, name)
    rates = 1e3 * outputs["cells.spikes"].mean(axis=(0, 1))
    draw_rates(axes[1, 2], rates, exc)
    draw_mean_activity(axes[1, 3], outputs["cells.spikes"], exc)
    trials = [np.argmax(right == side) for side in (0, 1)]
    for column, (k, side) in enumerate(zip(trials, ("left", "right"), strict=True)):
        draw_trial(axes[2, 2 * column :], outputs, k, exc, side)
    for axis, letter in zip(axes.flat, "abcdefghijkl", strict=True):
        axis.set_title(f"{letter}   {axis.get_title(loc='left')}", loc="left")
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(f"\nFigure: {path}")


def draw_learning(axes, histories, online):
    for label, history in histories.items():
        axes[0].plot(history["loss"], lw=0.8, label=label)
    axes[0].axhline(np.log(2), color="0.7", ls=":")
    axes[0].set(xlabel="update", ylabel="cross entropy", ylim=(0, None))
    axes[0].set_title("Back through time", loc="left")
    axes[0].legend(frameon=False, fontsize=7, loc="lower left")
    for (label, correct), colour in zip(online.items(), ("k", "#0072B2"), strict=False):
        parts = np.array_split(correct, max(len(correct) // 10, 1))
        means = [part.mean() for part in parts]
        ends = np.cumsum([len(part) for part in parts])
        axes[1].plot(ends, means, ".-", color=colour, label=label)
    axes[1].set(xlabel="update", ylabel="right answers", ylim=(0.4, 1))
    axes[1].set_title("Eligibility traces", loc="left")
    axes[1].legend(frameon=False)


def draw_weights(axis, weights, name):
    both = {when: values[f"{name}.w"] for when, values in weights.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(both.values())), 60)
    colours = {"first": "0.6", "trained": "#0072B2"}
    for when, values in both.items():
        axis.hist(values, edges, histtype="step", color=colours[when], label=when)
    axis.set_yscale("log")
    axis.set(xlabel="weight", ylabel="synapses")
    axis.set_title(f"Weights, {LABELS[name]}", loc="left")
    axis.legend(frameon=False)


def draw_rates(axis, rates, exc):
    edges = np.linspace(0, max(rates.max(), 1e-3), 30)
    for kind, values in (("exc", rates[:exc]), ("inh", rates[exc:])):
        axis.hist(values, edges, color=COLOURS[kind], alpha=0.6, label=kind)
    axis.set(xlabel="rate (Hz)", ylabel="neurons")
    axis.set_title("Rates", loc="left")
    axis.legend(frameon=False)


def draw_mean_activity(axis, spikes, exc):
    width = 25
    for kind, part in (("exc", spikes[..., :exc]), ("inh", spikes[..., exc:])):
        mean = part.mean(axis=(0, 2))
        mean = mean[: len(mean) // width * width].reshape(-1, width).mean(axis=1)
        axis.plot(np.arange(len(mean)) * width, 1e3 * mean, color=COLOURS[kind])
    axis.set(xlabel="time (ms)", ylabel="mean rate (Hz)")
    axis.set_title("Activity", loc="left")


def draw_trial(axes, outputs, k, exc, side):
    steps, cells = np.nonzero(outputs["cells.spikes"][k])
    for kind, some in (("exc", cells < exc), ("inh", cells >= exc)):
        axes[0].plot(steps[some], cells[some], ".", ms=2, color=COLOURS[kind])
    axes[0].set(xlabel="time (ms)", ylabel="neuron")
    axes[0].set_title(f"Trial with more cues to the {side}", loc="left")
    y = outputs["readout.y"][k]
    axes[1].plot(y[:, 0], color=COLOURS["left"], label="left")
    axes[1].plot(y[:, 1], color="k", label="right")
    axes[1].set(xlabel="time (ms)", ylabel="readout")
    axes[1].set_title("Its readout", loc="left")
    axes[1].legend(frameon=False)
