"""A comparison as plain numbers."""

import numpy as np

__all__ = ["as_dict"]


def _plain(value):
    """Numbers and nested lists; None for what JSON cannot say."""
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def as_dict(comparison):
    c = comparison
    return {
        "reference": c.reference,
        "confidence": c.confidence,
        "tolerances": _plain_dict(c.tolerances),
        "populations": list(c.populations),
        "sizes": _plain(c.sizes),
        "bin": float(c.bin),
        "bins": c.recordings[c.reference][0].counts.shape[0],
        "bands": _plain(np.asarray(c.bands)),
        "lags": _plain(np.asarray(c.lags)),
        "pairs": _plain(c.pairs),
        "notes": {str(scale): str(note) for scale, note in c.notes.items()},
        "scales": {scale: _scale(c, scale) for scale in c.scales},
    }


def _plain_dict(values):
    return {key: _plain(value) for key, value in values.items()}


def _scale(c, scale):
    report = {
        "runs": len(c.recordings[scale]),
        "cost": _plain(c.costs[scale]),
        "values": _plain_dict(c.measured[scale]),
    }
    if scale != c.reference:
        report["distances"] = {
            name: _distance(found) for name, found in c.distances[scale].items()
        }
    return report


def _distance(found):
    names = ("verdict", "seeds_needed", "relative", "estimate", "low", "high")
    return {name: _plain(getattr(found, name)) for name in (*names, "verdicts")}
