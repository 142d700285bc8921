"""A comparison as a table: text and HTML."""

import html

import numpy as np

from ..numerics.equivalence import AGREES, DIFFERS, UNDECIDED
from .distance import NOT_DEFINED
from .kinds import MEASURES

__all__ = ["as_html", "as_text", "element_label", "tolerance_text"]

_MANY = 1000
#: Why a measure may be undefined
_REASONS = {
    "spectrum": "the recording is too short",
    "autocorrelation": "nothing varies, or the recording is too short",
    "correlation": "nothing varies",
    "isi": "no interspike intervals recorded",
    "event": "no two levels of activity, or too few events",
}


def tolerance_text(name, tolerance):
    return f"{100 * tolerance:g} %" if MEASURES[name].relative else f"{tolerance:g}"


def element_label(comparison, name, index):
    """Which band, lag or pair: '4-8 Hz', '15 ms'; empty for other measures."""
    per = MEASURES[name].per
    if per == "band":
        low, high = np.asarray(comparison.bands)[index[-1] : index[-1] + 2]
        return f"{low:.3g}-{high:.3g} Hz"
    if per == "lag":
        return f"{1e3 * np.asarray(comparison.lags)[index[-1]]:.3g} ms"
    if per == "pair":
        first, second = comparison.pairs[index[-1]]
        return f"{comparison.populations[first]}, {comparison.populations[second]}"
    return ""


def _number(value):
    return f"{value:.4g}" if np.isfinite(value) else "-"


def _signed(value, relative):
    if not np.isfinite(value):
        return "∞" if value > 0 else "-∞"
    if not relative:
        return f"{value:+.3f}"
    value *= 100
    return f"{value:+.2f}" if abs(value) < 10 else f"{value:+.0f}"


def _difference(found, index):
    """'+1.2 % [-0.3, +2.7]'."""
    estimate, low, high = (
        _signed(part[index], found.relative)
        for part in (found.estimate, found.low, found.high)
    )
    percent = " %" if found.relative else ""
    if not np.isfinite(found.high[index]) and found.low[index] < np.inf:
        return f"{estimate}{percent} [no interval]"
    return f"{estimate}{percent} [{low}, {high}]"


def _verdict(found, runs):
    if found.verdict != UNDECIDED:
        return found.verdict
    needed = found.seeds_needed
    if runs == 1:
        return f"{UNDECIDED} (one run)"
    if needed > _MANY:
        return f"{UNDECIDED} (> {_MANY} runs)"
    return f"{UNDECIDED} (~{needed} runs)"


def _value(comparison, scale, name, at):
    value = comparison.measured[scale][name].mean(0)[at]
    deviation = f" (sd {_number(np.sqrt(value))})" if name == "variance" else ""
    return _number(value) + deviation


def _runs(comparison, scale):
    """As many as there might be, without noise."""
    runs = comparison.recordings[scale]
    return np.inf if all(run.noise_free for run in runs) else len(runs)


def _row(comparison, scale, name, index):
    """One line: `index` is the population, or all pairs of them."""
    found = comparison.distances[scale][name][index]
    kind, worst = MEASURES[name], found.worst
    at = (index,) if kind.per is None else (index, *worst)
    if kind.per == "pair":
        at = worst
    label = ", ".join(filter(None, [kind.label, element_label(comparison, name, at)]))
    both = comparison.reference, scale
    return [
        f"{label} ({kind.unit})" if kind.unit else label,
        *(_value(comparison, one, name, at) for one in both),
        _difference(found, worst),
        tolerance_text(name, found.tolerance),
        _verdict(found, min(_runs(comparison, one) for one in both)),
    ]


def _rows(comparison, scale):
    """Rows of one scale, each with its population."""
    several = len(comparison.populations) > 1
    for k, population in enumerate(comparison.populations):
        for name, kind in MEASURES.items():
            found = comparison.distances[scale][name]
            if kind.per != "pair" and found[k].verdict != NOT_DEFINED:
                yield [population, *_row(comparison, scale, name, k)]
    found = comparison.distances[scale]["correlation"]
    if several and found.verdict != NOT_DEFINED:
        yield ["pairs", *_row(comparison, scale, "correlation", slice(None))]


def _undefined(comparison, scale):
    """What has no row, for which populations, and why."""
    remarks = {}
    for name, found in comparison.distances[scale].items():
        where = _where_undefined(comparison, name, found)
        reason = _REASONS.get(name) or _REASONS.get(name.split("_")[0])
        if where is not None:
            remarks.setdefault((where, reason), []).append(MEASURES[name].label)
    return [
        f"not defined: {', '.join(names)}{where} ({reason})"
        for (where, reason), names in remarks.items()
    ]


def _where_undefined(comparison, name, found):
    """' of population 1, 2', '' for all of them, None for none."""
    if MEASURES[name].per == "pair":
        undefined = comparison.pairs and found.verdict == NOT_DEFINED
        return "" if undefined else None
    if found.verdict == NOT_DEFINED:
        return ""
    names = [
        population
        for k, population in enumerate(comparison.populations)
        if found[k].verdict == NOT_DEFINED
    ]
    return f" of population {', '.join(names)}" if names else None


def _summary(comparison, scale):
    """Measures by verdict."""
    verdicts = comparison.verdicts[scale]
    kinds = {
        verdict: [MEASURES[n].label for n, v in verdicts.items() if v == verdict]
        for verdict in (AGREES, DIFFERS, UNDECIDED)
    }
    return "; ".join(f"{v}: {', '.join(names)}" for v, names in kinds.items() if names)


def _heading(comparison, scale):
    return [
        "population",
        "measure, worst element",
        comparison.reference,
        scale,
        f"difference [{100 * comparison.confidence:g} % interval]",
        "tolerance",
        "verdict",
    ]


def _cost(comparison, scale):
    own, reference = comparison.costs[scale], comparison.costs[comparison.reference]
    text = f"{own:.3g} CPU s per simulated s, {comparison.reference} {reference:.3g}"
    if own > 0 and reference > 0:
        word = "faster" if own <= reference else "slower"
        text += f": {max(own / reference, reference / own):.3g} times {word}"
    return text


def _overview(comparison):
    first = comparison.recordings[comparison.reference][0]
    seconds = first.counts.shape[0] * first.bin
    sizes = ", ".join(f"{size:g}" for size in comparison.sizes)
    runs = ", ".join(f"{len(r)} {s}" for s, r in comparison.recordings.items())
    return (
        f"Distance to {comparison.reference}; runs: {runs}; {seconds:g} s each in "
        f"bins of {1e3 * first.bin:g} ms; neurons: {sizes}"
    )


def _parts(comparison):
    """For each compared scale its title, rows and remarks, in this order."""
    for scale in comparison.distances:
        rows = [_heading(comparison, scale), *_once(list(_rows(comparison, scale)))]
        remarks = [_summary(comparison, scale), *_undefined(comparison, scale)]
        yield f"{scale}: {_cost(comparison, scale)}", rows, remarks


def _aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, strict=True)
        # values are flush right, words flush left
        line = [
            c.rjust(w) if k in (2, 3) else c.ljust(w) for k, (c, w) in enumerate(cells)
        ]
        lines.append("  ".join(line).rstrip())
    return lines


def _once(rows):
    """A population is named in its first row only."""
    shown = [rows[0]] if rows else []
    for before, row in zip(rows, rows[1:], strict=False):
        shown.append(["" if row[0] == before[0] else row[0], *row[1:]])
    return shown


def as_text(comparison):
    """The report in lines of aligned columns."""
    lines = [_overview(comparison)]
    for title, rows, remarks in _parts(comparison):
        lines += ["", title, *_aligned(rows), *filter(None, remarks)]
    lines += ["", *_notes(comparison)] if comparison.notes else []
    return "\n".join(lines)


def _notes(comparison):
    lines = []
    for note in dict.fromkeys(comparison.notes.values()):
        scales = [s for s, one in comparison.notes.items() if one == note]
        lines.append(f"{', '.join(scales)}: {note}")
    return lines


def as_html(comparison):
    """The report for a notebook."""
    pieces = [f"<p>{html.escape(_overview(comparison))}</p>"]
    for title, (head, *rows), remarks in _parts(comparison):
        table = _html_row(head, "th") + "".join(_html_row(row, "td") for row in rows)
        pieces.append(f"<h4>{html.escape(title)}</h4><table>{table}</table>")
        pieces += [f"<p>{html.escape(remark)}</p>" for remark in remarks if remark]
    pieces += [f"<p>{html.escape(note)}</p>" for note in _notes(comparison)]
    return "\n".join(pieces)


def _html_row(cells, tag):
    inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inner}</tr>"
