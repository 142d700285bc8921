"""A comparison as a figure."""

import textwrap

import numpy as np

from ..numerics.activity import activity, power_spectrum
from .distance import NOT_DEFINED
from .kinds import MEASURES
from .table import element_label, tolerance_text

__all__ = ["draw"]

_SHOWN = 4
# Seconds of activity
_WINDOW = 1.0
# Colours that the colour-blind can tell apart, the same for a scale in all figures
_COLOURS = {
    "spiking": "#4D4D4D",
    "mesoscopic": "#0072B2",
    "density": "#D55E00",
    "hybrid": "#009E73",
}
_OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_STYLE = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1,
}


def draw(comparison):
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "plot() needs matplotlib; install it with: pip install matplotlib"
        ) from error
    count = min(len(comparison.populations), _SHOWN)
    lines = _lines(comparison, count)
    with plt.rc_context(_STYLE):
        figure, axes = _axes(plt, comparison, count, len(lines))
        for k in range(count):
            _draw_population(axes[:, k], comparison, k, lines)
        _finish(figure, axes, comparison)
    return figure


def _axes(plt, comparison, count, lines):
    scales = len(comparison.scales)
    heights = [0.65] * scales + [1.8, 1.8, 0.5 + 0.17 * lines]
    return plt.subplots(
        len(heights),
        count,
        figsize=(max(3.1 * count, 4.6) + 1.2, 1.25 * sum(heights) + 1),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )


def _draw_population(axes, comparison, k, lines):
    scales = len(comparison.scales)
    title = comparison.populations[k]
    if title.isdigit():
        title = f"population {title}"
    axes[0].set_title(f"{title}, {comparison.sizes[k]:g} neurons", fontweight="bold")
    _draw_activity(axes[:scales], comparison, k)
    _draw_spectra(axes[scales], comparison, k)
    _draw_autocorrelation(axes[scales + 1], comparison, k)
    _draw_distances(axes[scales + 2], comparison, k, lines)


def _style(comparison, scale):
    others = [s for s in comparison.scales if s not in _COLOURS]
    own = dict(zip(others, _OTHERS * (1 + len(others) // 4), strict=False))
    return {"color": (_COLOURS | own)[scale], "label": scale}


def _curve(comparison, scale):
    """The reference is broad and pale: what agrees with it lies on top."""
    broad = {"lw": 4, "alpha": 0.35} if scale == comparison.reference else {"lw": 1.4}
    return _style(comparison, scale) | broad


def _rates(comparison, run):
    return activity(run.counts, comparison.sizes, run.bin)


def _draw_activity(axes, comparison, k):
    """The beginning of the first run of each scale, on the same axes."""
    width = float(comparison.bin)
    shown = max(round(_WINDOW / width), 2)
    rule = comparison.settings.rules[k]
    top = 0
    for axis, scale in zip(axes, comparison.scales, strict=True):
        rates = _rates(comparison, comparison.recordings[scale][0])[:shown, k]
        time = np.arange(len(rates) + 1) * width
        axis.stairs(rates, time, baseline=None, **_style(comparison, scale))
        top = max(top, rates.max())
        if rule is not None:
            level = rule.upper / (comparison.sizes[k] * width)
            axis.axhline(level, color="0.6", lw=0.7, ls=":")
        if axis is not axes[-1]:
            axis.tick_params(labelbottom=False)
    for axis in axes:
        axis.set(ylim=(0, 1.05 * top or 1), xlim=(0, shown * width))
    axes[-1].set_xlabel("time (s)")


def _spectrum(comparison, scale, k):
    """Mean over runs, without the points that the window spoils."""
    fixed = comparison.settings
    found = [
        power_spectrum(_rates(comparison, run)[:, [k]], fixed.width, fixed.segment)
        for run in comparison.recordings[scale]
    ]
    inner = slice(2, (fixed.segment + 1) // 2)
    return found[0][0][inner], np.mean([s[inner, 0] for _, s in found], axis=0)


def _draw_spectra(axis, comparison, k):
    edges = np.asarray(comparison.bands)
    axis.set(xlabel="frequency (Hz)")
    if len(edges) == 0:
        axis.text(
            0.5, 0.5, "recording too short", transform=axis.transAxes, ha="center"
        )
        return
    for scale in comparison.scales:
        means = comparison.measured[scale]["spectrum"].mean(0)[k]
        frequency, spectrum = _spectrum(comparison, scale, k)
        if not means.any():
            continue  # no logarithm: without noise and stationary
        fine = {"color": _style(comparison, scale)["color"], "lw": 0.7, "alpha": 0.5}
        axis.plot(frequency, spectrum, **fine)
        axis.stairs(means, edges, baseline=None, **_curve(comparison, scale))
    rate = comparison.measured[comparison.reference]["rate"].mean(0)[k]
    if rate > 0:
        axis.axhline(2 * rate / comparison.sizes[k], color="0.6", lw=0.7, ls="--")
    axis.set(xscale="log", yscale="log", xlim=(edges[0], edges[-1]))
    _plain_ticks(axis.xaxis)
    _plain_ticks(axis.yaxis)


def _plain_ticks(axis):
    """1, 2, 5, 10, ... over less than two decades, powers of ten over more."""
    low, high = axis.get_view_interval()
    digits = (1, 2, 5) if high < 100 * low else (1,)
    axis.get_major_locator().set_params(subs=digits)
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: "")


def _draw_autocorrelation(axis, comparison, k):
    lags = 1e3 * np.asarray(comparison.lags)
    reference = comparison.measured[comparison.reference]["autocorrelation"].mean(0)[k]
    axis.axhline(0, color="0.6", lw=0.7)
    tolerance = comparison.tolerances["autocorrelation"]
    axis.fill_between(
        lags, reference - tolerance, reference + tolerance, color="0.92", zorder=0
    )
    for scale in comparison.scales:
        means = comparison.measured[scale]["autocorrelation"].mean(0)[k]
        axis.plot(lags, means, **_curve(comparison, scale))
    axis.set(xlabel="lag (ms)", xlim=(0, lags[-1] * 1.02 if len(lags) else 1))


def _lines(comparison, count):
    """What the panels of distances show: (measure, band or None)."""
    chosen = []
    for name, kind in MEASURES.items():
        if kind.per == "pair":
            continue
        found = [distances[name] for distances in comparison.distances.values()]
        if {d[k].verdict for d in found for k in range(count)} <= {NOT_DEFINED}:
            continue
        bands = range(found[0].estimate.shape[1]) if kind.per == "band" else [None]
        chosen += [(name, band) for band in bands]
    return chosen


def _line_label(comparison, name, band):
    label = MEASURES[name].label
    if band is not None:
        label += f" {element_label(comparison, name, (band,))}"
    elif MEASURES[name].per == "lag":
        label += ", worst"
    return f"{label} (±{tolerance_text(name, comparison.tolerances[name])})"


def _draw_distances(axis, comparison, k, lines):
    """Every line is a measure, in units of its tolerance."""
    compared = list(comparison.distances)
    axis.axvspan(-1, 1, color="0.92", zorder=0)
    axis.axvline(0, color="0.6", lw=0.7, zorder=0)
    for j, scale in enumerate(compared):
        shift = 0.22 * (j - (len(compared) - 1) / 2)
        for y, (name, band) in enumerate(lines):
            found = comparison.distances[scale][name][k if band is None else (k, band)]
            _draw_point(axis, found, y + shift, _style(comparison, scale)["color"])
    axis.set_yticks(
        range(len(lines)), [_line_label(comparison, *line) for line in lines]
    )
    axis.set(ylim=(len(lines) - 0.4, -0.6), xlabel="difference / tolerance")
    _symmetric(axis)


def _symmetric(axis):
    """Linear up to the tolerance, logarithmic beyond."""
    axis.set_xscale("symlog", linthresh=1, linscale=0.8)
    far = 1.3 * max(10, *(abs(limit) for limit in axis.dataLim.intervalx))
    axis.set_xlim(-far, far)
    decades = 10.0 ** np.arange(np.floor(np.log10(far)) + 1)
    ticks = [*-decades[::-1], 0, *decades]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()


def _draw_point(axis, found, y, colour):
    at = found.worst
    if at is None or not np.isfinite(found.estimate[at]):
        return
    centre, low, high = (
        part[at] / found.tolerance for part in (found.estimate, found.low, found.high)
    )
    axis.plot(centre, y, "o", ms=3, color=colour)
    if np.isfinite(high - low):
        axis.plot([low, high], [y, y], color=colour)


def _finish(figure, axes, comparison):
    scales = len(comparison.scales)
    axes[scales // 2, 0].set_ylabel("activity (Hz)")
    axes[scales, 0].set_ylabel("spectrum (Hz²/Hz)")
    axes[scales + 1, 0].set_ylabel("autocorrelation")
    for row in axes[scales + 2, 1:]:
        row.tick_params(labelleft=False)
    handles, labels = axes[scales + 1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    text = (
        f"Dotted: events begin; dashed: 2 rate/N. Bars: "
        f"{100 * comparison.confidence:g} % intervals, together for a measure. "
        "Grey: within the tolerance."
    )
    left_out = comparison.populations[_SHOWN:]
    if left_out:
        text += f" Not shown: population {', '.join(left_out)}."
    text = textwrap.fill(text, int(19 * figure.get_figwidth()))
    figure.supxlabel(text, fontsize=7, color="0.4")
