"""Nonsense for every public argument: a named error before anything runs.

`nonsense.py` has the table of callables, arguments and kinds of nonsense,
`nonsense_surrogates.py` and `nonsense_gradients.py` those of two rooms.
"""

import nonsense
import nonsense_gradients  # noqa: F401 (adds to the table)
import nonsense_surrogates  # noqa: F401 (adds to the table)
import pytest
from brian2 import prefs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nonsense import CALLS, call, fine_values, refused, told

import brian2_multiscale

#: One simple and one other example of every kind
few = settings(
    max_examples=2,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

#: Public names that take no arguments of users (exceptions), or that another one makes
NOT_CALLED = {
    "AdmissibleScales",
    "ScaleComparison",
    "MechanismError",
    "NotDifferentiableError",
    "NotEventDrivenError",
    "ProjectionError",
    "ReactionError",
    "SurrogateBenchmark",
    "SurrogateFileError",
    "TableFileError",
    "ToleranceError",
}
#: In which entries of the table a name is called, where that is not its own
CALLED_AS = {"list_mechanisms": "mechanisms_of_kind", "binomial_draw": "binomial"}
CALLED_AS |= {"tabulate": "tabulate_state", "SynapticTable": "table_response"}
CALLED_AS |= {"population": "population_at_a_scale"}
CALLED_AS |= {"admissible_scales": "scales_that_are_admissible"}
CALLED_AS |= {"compare_scales": "scales_compared"}
CALLED_AS |= {"train": "trained_on_a_task"}

#: Known to pass nonsense on, until they are mended
AWAITED = set()
ARGUMENTS = [(name, one) for name, (_, many) in CALLS.items() for one in many]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    """Nonsense may be the path of a file."""
    monkeypatch.chdir(tmp_path)
    prefs.multiscale.table_cache = str(tmp_path / "cache")


@pytest.mark.parametrize("name", CALLS)
def test_what_is_right_works(name):
    """Or nothing else in this file would mean anything."""
    call(name)


@pytest.mark.parametrize("name, argument", ARGUMENTS)
def test_nonsense_is_refused(name, argument):
    if (name, argument) in AWAITED:
        pytest.skip("is not checked yet")
    kinds = nonsense.nonsense(CALLS[name][1][argument])

    @few
    @given(st.fixed_dictionaries(kinds))
    def refuse(values):
        faults = {}
        for kind, value in values.items():
            fault = _fault(name, argument, value)
            if fault:
                faults[f"{kind}: {argument}={value!r}"] = fault
        assert not faults

    refuse()


def _fault(name, argument, value):
    """What is wrong with the refusal; None if nothing is."""
    try:
        call(name, **{argument: value})
    except Exception as error:
        if not refused(error):
            return f"comes from inside: {nonsense.chain(error)!r}"
        if not told(error, argument, value):
            return f"does not name argument and value: {nonsense.chain(error)!r}"
        return None
    return "passes silently"


@pytest.mark.parametrize(
    "name, argument",
    [(n, a) for n, a in ARGUMENTS if CALLS[n][1][a].fine and (n, a) not in AWAITED],
)
def test_what_only_looks_like_nonsense_works(name, argument):
    @few
    @given(st.fixed_dictionaries(fine_values(CALLS[name][1][argument])))
    def accept(values):
        for value in values.values():
            call(name, **{argument: value})

    accept()


def test_there_is_enough_of_it():
    counts = {
        (name, one): len(nonsense.nonsense(CALLS[name][1][one]))
        for name, one in ARGUMENTS
        if (name, one) not in AWAITED
    }
    assert min(counts.values()) >= 12, min(counts, key=counts.get)
    assert sum(counts.values()) >= 500


def test_everything_public_is_called():
    names = set(brian2_multiscale.__all__) - NOT_CALLED
    called = "".join(CALLS)
    for name in names:
        entry = CALLED_AS.get(name, name)
        assert entry.lower() in called.replace("_", "") or entry in CALLS, (
            f"{name} is public: add it to tests/nonsense.py"
        )


def test_sizes_are_whole_numbers_without_unit():
    """Lists in lists were flattened, and 1 amp was one neuron."""
    from brian2 import amp

    from brian2_multiscale import MesoscopicGroup

    for size in ([[1], [2, 3]], [[1, 2]], 1 * amp, [1 * amp]):
        with pytest.raises((TypeError, ValueError), match="^N must be"):
            MesoscopicGroup(size, nonsense.ESCAPE, hazard="rho", reset="v = 0*mV")


def test_a_synapse_that_grows_has_no_table():
    from brian2 import Hz, ms

    from brian2_multiscale import tabulate

    with pytest.raises(ValueError, match="'exponential'.*does not decay"):
        tabulate("exponential", rates=(5, 20) * Hz, tau=-5 * ms, cache=False)
