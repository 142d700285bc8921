"""Derivatives of the activity of deterministic mesoscopic populations."""

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Equations,
    Hz,
    Mohm,
    Network,
    PoissonGroup,
    StateMonitor,
    TimedArray,
    check_units,
    defaultclock,
    implementation,
    ms,
    mV,
    nA,
    nS,
    prefs,
    second,
    set_device,
)
from gradient_checks import assert_derivatives
from numpy.testing import assert_allclose
from targets import assert_targets_agree, clean_device, run_on_targets

from brian2_multiscale import DensityGroup, MesoscopicGroup, Projection
from brian2_multiscale.gradients import (
    GradientFitter,
    Param,
    TraceLoss,
    with_derivatives,
)
from brian2_multiscale.gradients.components.population import PopulationDerivatives
from brian2_multiscale.gradients.fitting.data import fit_data
from brian2_multiscale.gradients.fitting.population_simulation import (
    PopulationModel,
    PopulationSimulation,
)
from brian2_multiscale.gradients.fitting.search import in_box
from brian2_multiscale.kinetics.differentiation import NotDifferentiableError
from brian2_multiscale.numerics.levenberg_marquardt import minimise
from brian2_multiscale.numerics.transforms import Box

DT = 0.5 * ms


@pytest.fixture(autouse=True)
def on_numpy():
    before = prefs.codegen.target
    prefs.codegen.target, defaultclock.dt = "numpy", DT
    yield
    prefs.codegen.target = before


LIF = """
dv/dt = (mu - v)/tau : volt (unless refractory)
mu = low + (high - low)*int(t > 9.9*ms) : volt
rho = rate*exp((v - threshold)/width) : Hz
low : volt
high : volt
tau : second
rate : Hz
threshold : volt
width : volt
"""
# Generalised integrate-and-fire: adaptation is carried over spikes
GIF = """
dv/dt = (mu - v - R*w)/tau : volt (unless refractory)
dw/dt = (a*v - w)/tau_w : amp
mu = low + (high - low)*int(t > 9.9*ms) : volt
rho = rate*exp((v - threshold)/width) : Hz
low : volt
high : volt
tau : second
rate : Hz
threshold : volt
width : volt
R : ohm
a : siemens
b : amp
tau_w : second
"""
VALUES = {
    "low": 12 * mV,
    "high": 20 * mV,
    "tau": 20 * ms,
    "rate": 10 * Hz,
    "threshold": 15 * mV,
    "width": 2 * mV,
}
ADAPTATION = {"R": 10 * Mohm, "a": 20 * nS, "b": 0.1 * nA, "tau_w": 60 * ms}
RULES = {
    "linear": {"threshold": "rand() < rho*dt"},
    "exponential": {"threshold": "rand() < 1 - exp(-rho*dt)"},
    "trapezoid": {"hazard": "rho"},
}


def _group(equations=LIF, rule="trapezoid", N=1000, **changes):
    arguments = {"reset": "v = 0*mV", "refractory": 3 * ms, "memory": 60 * ms}
    arguments |= {"method": "exponential_euler", "noise": False, **RULES[rule]}
    group = MesoscopicGroup(N, equations, **(arguments | changes))
    values = {**VALUES, **ADAPTATION} if "tau_w" in equations else VALUES
    for name, value in values.items():
        setattr(group, name, value)
    return group


def _all(group):
    return {n: (group, n) for n in VALUES if n in group.variables} | {
        n: (group, n) for n in ADAPTATION if n in group.variables
    }


@pytest.mark.parametrize("rule", RULES)
def test_integrate_and_fire(rule):
    group = _group(rule=rule)
    assert_derivatives(PopulationDerivatives([group], _all(group), 25 * ms), 1e-7)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("trapezoid", {}),
        ("linear", {"closure_order": 1}),
        ("linear", {"method": "rk2", "refractory": False}),
    ],
)
def test_adaptation(rule, changes):
    group = _group(GIF, rule, reset="v = 0*mV; w += b", **changes)
    model = PopulationDerivatives([group], _all(group), 20 * ms)
    assert_derivatives(model, 1e-6)


def test_private_noise_and_a_hazard_that_is_not_exponential():
    equations = """
    dv/dt = (mu - v)/tau + sigma*sqrt(2/tau)*xi : volt (unless refractory)
    rho = log(1 + exp((v - threshold)/width))*rate : Hz
    mu : volt
    sigma : volt
    tau : second
    rate : Hz
    threshold : volt
    width : volt
    """

    group = MesoscopicGroup(
        100,
        equations,
        hazard="rho",
        reset="v = 0*mV",
        method="euler",
        memory=60 * ms,
        noise=False,
    )
    values = {**VALUES, "mu": 14 * mV, "sigma": 1.5 * mV, "rate": 40 * Hz}
    names = ["mu", "sigma", "tau", "rate", "threshold", "width"]
    for name in names:
        setattr(group, name, values[name])
    parameters = {n: (group, n) for n in names}
    assert_derivatives(PopulationDerivatives([group], parameters, 20 * ms), 1e-6)


SHARED = """
dv/dt = (mu + h - v)/tau : volt (unless refractory)
dh/dt = -h/(5*ms) : volt
rho = 10*Hz*exp((v - above)/(3*mV)) : Hz
above = 2*th - 15*mV : volt (shared)
mu : volt
th : volt (shared, constant)
tau : second (shared)
v_r : volt (shared)
gain : 1 (shared)
"""
ONE_FOR_ALL = {"th": 15 * mV, "tau": 12 * ms, "v_r": 2 * mV, "gain": 1.3}


def _shared():
    group = MesoscopicGroup(
        [400, 100],
        SHARED,
        hazard="rho",
        reset="v = v_r",
        refractory=2 * ms,
        memory=30 * ms,
        noise=False,
        method="exponential_euler",
        name="gradient_shared",
    )
    group.mu = [18, 17] * mV
    for name, value in ONE_FOR_ALL.items():
        setattr(group, name, value)
    links = Projection(
        group,
        group,
        on_pre="h_post += w*gain_post",
        weights=np.array([[0.02, 0.03], [-0.1, -0.05]]) * mV,
        delay=1 * ms,
        name="gradient_shared_links",
    )
    return group, links


def test_a_shared_parameter_is_one_for_all_populations():
    group, links = _shared()
    chosen = {n: (group, n) for n in ONE_FOR_ALL}
    assert_derivatives(PopulationDerivatives([group, links], chosen, 30 * ms), 1e-6)
    for spec in ((group, "th", 0), (group[:1], "th")):
        with pytest.raises(ValueError, match="'th'.*one value for all.*[(]shared[)]"):
            PopulationDerivatives([group, links], {"th": spec}, 30 * ms)


def test_functions_of_the_user():
    @implementation("numpy", discard_units=True)
    @with_derivatives("x*exp(-x**2/2)")
    @check_units(x=1, result=1)
    def bump(x):
        return 1 - np.exp(-(x**2) / 2)

    equations = LIF.replace("(mu - v)/tau", "(mu + 3*mV*bump(tau/(10*ms)) - v)/tau")
    group = _group(equations, namespace={"bump": bump})
    model = PopulationDerivatives([group], {"tau": (group, "tau")}, 20 * ms)
    assert_derivatives(model, 1e-7)


def test_the_values_are_those_of_the_group_itself():
    plain = _group(GIF, reset="v = 0*mV; w += b")
    monitor = StateMonitor(plain, "A", record=True)
    Network(plain, monitor).run(40 * ms)
    followed = _group(GIF, reset="v = 0*mV; w += b")
    model = PopulationDerivatives([followed], {"tau": (followed, "tau")}, 40 * ms)
    values, _ = model.simulate()
    assert_allclose(values, monitor.A_.T, rtol=1e-12)
    assert values.max() > 10 and len(model.t) == len(values) == 80
    # Again, from the same beginning
    assert np.array_equal(model.simulate()[0], values)


# ------------------------------------------------------------------------- networks

COUPLED = """
dv/dt = (mu + h - v)/tau : volt (unless refractory)
dh/dt = -h/tau_h : volt
rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz
mu : volt
tau : second
tau_h : second
"""
STP = """
du/dt = (U - u)/tau_f : 1
dx/dt = (1 - x)/tau_d : 1
U : 1
tau_f : second
tau_d : second
"""
ON_PRE = """
released = u*x
x -= released
u += U*(1 - u)
h_post += w*released
"""


def _network(p=1, on_pre="h += w", rule="trapezoid"):
    group = MesoscopicGroup(
        [800, 200],
        COUPLED,
        reset="v = 0*mV",
        refractory=2 * ms,
        memory=60 * ms,
        noise=False,
        method="exponential_euler",
        name="gradient_populations",
        **RULES[rule],
    )
    group.mu, group.tau, group.tau_h = [18, 16] * mV, 15 * ms, 5 * ms
    excitation = Projection(
        group[:1],
        group,
        model=STP,
        on_pre=ON_PRE,
        weights=np.array([[0.06, 0.1]]) * mV,
        delay=np.array([[1, 2]]) * ms,
        p=p,
        parameters={"U": 0.3, "tau_f": 30 * ms, "tau_d": 40 * ms},
        name="gradient_excitation",
    )
    inhibition = Projection(
        group[1:],
        group,
        on_pre=on_pre,
        weights=np.array([[-0.1, -0.05]]) * mV,
        delay=1 * ms,
        p=p,
        name="gradient_inhibition",
    )
    parameters = {
        "mu_E": (group, "mu", 0),
        "mu_I": (group[1:], "mu"),
        "tau": (group, "tau"),
        "w_EI": (excitation, "w", 0, 1),
        "w_IE": (inhibition, "w", 0, 0),
        "U": (excitation, "U"),
        "tau_f": (excitation, "tau_f"),
        "tau_d": (excitation, "tau_d"),
    }
    return [group, excitation, inhibition], parameters


@pytest.mark.parametrize(
    "changes",
    [{}, {"p": 0.3, "rule": "linear"}, {"on_pre": "v += w"}],
    ids=["all to all", "random", "kicks"],
)
def test_coupled_populations_with_plasticity(changes):
    objects, parameters = _network(**changes)
    if "p" not in changes:  # what differs between the neurons of a population
        parameters = {n: parameters[n] for n in ("w_EI", "w_IE", "U", "tau_d")}
    model = PopulationDerivatives(objects, parameters, 25 * ms)
    # Central differences of the slow ones lose digits
    assert_derivatives(model, 1e-5, step=1e-2)


def test_a_weight_that_depends_on_the_target():
    on_pre = "h_post += w*(1 - h_post/(5*mV))"
    objects, parameters = _network(on_pre=on_pre)
    chosen = {n: parameters[n] for n in ("w_IE", "tau")}
    assert_derivatives(PopulationDerivatives(objects, chosen, 30 * ms), 1e-6)


def test_input_from_elsewhere_does_not_matter():
    objects, parameters = _network()
    poisson = PoissonGroup(100, 50 * Hz)
    also = Projection(poisson, objects[0], on_pre="h += 0.05*mV", p=0.5)
    chosen = {"w_IE": parameters["w_IE"]}
    model = PopulationDerivatives([*objects, poisson, also], chosen, 10 * ms)
    values, slopes = model.simulate()
    assert np.isfinite(values).all() and np.abs(slopes).max() > 0


def _tangents():
    objects, _ = _network(p=0.5)
    group, excitation, _ = objects
    group.add_direction("mu", mV.dim, {"mu": [1.0, 0.0]})
    moving = {"_gradient_excitation_tau_d": [1.0, 1.0], "mu": 0.0}
    group.add_direction("tau_d", second.dim, moving)
    for projection in objects[1:]:
        for direction in ("mu", "tau_d"):
            projection.way.coupling.add_direction(direction, {})
    names = ["A", "S_A_mu", "S_A_tau_d", "S_h_mu", "S_v_mu"]
    readers = {n: lambda n=n: np.array(group.variables[n].get_value()) for n in names}
    return objects, readers


def _tangents_of_shared():
    group, links = _shared()
    group.add_direction("th", mV.dim, {"th": 1.0, "gain": 2.0})
    links.way.coupling.add_direction("th", {})
    return [group, links], {
        "by_th": lambda: np.array(group.variables["S_A_th"].get_value())
    }


@pytest.mark.long
def test_all_targets_give_the_same():
    results = run_on_targets(
        [_tangents, _tangents_of_shared], 25 * ms, name="population_gradients"
    )
    assert_targets_agree(results, rtol=1e-8)
    assert all(np.abs(x).min() > 0 for x in results["numpy"].values())


def test_small_moments_of_plasticity_are_scaled_with_their_derivatives():
    """In a ring that is long against the time constants of the plasticity."""
    assert np.exp(-120 / 0.5) < 1e-100  # at which moments are scaled
    group = MesoscopicGroup(
        800,
        COUPLED,
        reset="v = 0*mV",
        memory=120 * ms,
        noise=False,
        method="exponential_euler",
        **RULES["exponential"],
    )
    group.mu, group.tau, group.tau_h = 20 * mV, 15 * ms, 5 * ms
    projection = Projection(
        group,
        group,
        model=STP,
        on_pre=ON_PRE,
        weights=0.03 * mV,
        parameters={"U": 0.4, "tau_f": 0.45 * ms, "tau_d": 0.5 * ms},
    )
    chosen = {"U": (projection, "U"), "tau_d": (projection, "tau_d")}
    model = PopulationDerivatives([group, projection], chosen, 150 * ms)
    assert_derivatives(model, 1e-5, step=1e-2)


def test_a_network_is_fitted():
    objects, parameters = _network()
    chosen = {n: parameters[n] for n in ("mu_E", "w_IE", "U")}
    model = PopulationDerivatives(objects, chosen, 40 * ms)
    truth = {"mu_E": 0.017, "w_IE": -2e-4, "U": 0.4}
    rates = model.simulate(truth, [])[0]
    result = model.fit(
        rates,
        n_starts=2,
        seed=2,
        steps=15,
        mu_E=[14, 20] * mV,
        w_IE=[-0.4, -0.05] * mV,
        U=[0.1, 0.8],
        aim=1e-12,
    )
    for name, value in truth.items():
        assert float(result.params[name]) == pytest.approx(value, rel=1e-4), name
    model.set(result.params)
    assert float(objects[0].mu[0]) == pytest.approx(0.017, rel=1e-4)


def test_data_have_the_unit_of_what_is_simulated():
    group = _group()
    model = PopulationDerivatives([group], {"low": (group, "low")}, 10 * ms)
    rates = model.simulate()[0]
    given = {"n_starts": 1, "steps": 2, "low": [5, 15] * mV}
    with pytest.raises(DimensionMismatchError, match="target must be data.*hertz"):
        model.fit(rates * mV, **given)
    for target in (rates, rates * Hz, rates / 1000 * (1000 * Hz)):
        assert np.isfinite(model.fit(target, seed=0, **given).loss)
    group = _group()
    record = [(group, "A"), (group, "v")]
    mixed = PopulationDerivatives([group], {"low": (group, "low")}, 10 * ms, record)
    with pytest.raises(DimensionMismatchError, match="target must be numbers in base"):
        mixed.fit(np.ones((20, 2)) * Hz, **given)


def test_only_set_changes_the_objects():
    objects, parameters = _network()
    group = objects[0]
    chosen = {n: parameters[n] for n in ("mu_E", "w_IE", "U")}
    model = PopulationDerivatives(objects, chosen, 5 * ms)
    places = model._places.values()
    rates = model.simulate({"mu_E": 25 * mV, "w_IE": -0.2 * mV, "U": 0.5})[0]
    assert_allclose(group.mu[:] / mV, [18, 16])
    assert [place.value for place in places] == list(model.initial.values())
    model.set({"mu_E": 20 * mV})
    model.fit(rates, n_starts=1, steps=2, mu_E=[15, 30] * mV)
    with pytest.raises(TypeError):
        model.simulate({"mu_E": "nonsense"})
    assert_allclose(group.mu[:] / mV, [20, 16])
    # An error in the run is no reason to keep its values
    with pytest.raises(Exception, match="nan|finite"):
        model.simulate({"mu_E": np.nan})
    assert_allclose(group.mu[:] / mV, [20, 16])


@pytest.mark.parametrize(
    "specs",
    [
        lambda group, links: {"all": (group, "mu"), "first": (group, "mu", 0)},
        lambda group, links: {"part": (group[:1], "mu"), "first": (group, "mu", 0)},
        lambda group, links: {"w": (links, "w"), "first": (links, "w", 0, 1)},
        lambda group, links: {"one": (group, "tau"), "other": (group, "tau")},
    ],
)
def test_a_value_belongs_to_one_parameter(specs):
    objects, _ = _network()
    objects[0].mu = 18 * mV
    links = Projection(objects[0], objects[0], on_pre="h += w", weights=0.1 * mV)
    with pytest.raises(ValueError, match="'.*' and '.*' overlap.*one value only"):
        PopulationDerivatives([*objects, links], specs(objects[0], links), 5 * ms)


def test_the_script_of_objects_is_refused():
    group = _group()
    model = PopulationDerivatives([group], {"low": (group, "low")}, 10 * ms)
    result = model.fit(model.simulate()[0], n_starts=1, steps=1, low=[5, 15] * mV)
    with pytest.raises(ValueError, match="model.set.result.params"):
        result.script()


def test_objects_of_a_program_are_refused():
    set_device("cpp_standalone", build_on_run=False)
    try:
        group = _group()
        with pytest.raises(ValueError, match="standalone.*Fit before.*cython"):
            PopulationDerivatives([group], {"low": (group, "low")}, 10 * ms)
    finally:
        clean_device()


# ----------------------------------------------------------- many starts in one group

NEURON = """
dv/dt = (EL + I - v)/tau : volt (unless refractory)
rho = rate*exp((v - threshold)/width) : Hz
EL : volt
tau : second
rate : Hz
threshold : volt
width : volt
"""
STRINGS = Equations(NEURON)
TRUTH = {"tau": 15e-3, "threshold": 16e-3, "width": 3e-3}


def _population_model(rates, stimulus, **changes):
    steps = stimulus.shape[1]
    data = fit_data({"I": stimulus}, {"A": rates}, None, float(DT), None)
    assert data.steps == steps
    arguments = {
        "equations": STRINGS,
        "threshold": None,
        "reset": "v = EL",
        "on_pre": None,
        "refractory": 3 * ms,
        "method": "exponential_euler",
        "dt": float(DT),
        "data": data,
        "initial": {"EL": np.array(2e-3), "v": "EL", "rate": np.array(20.0)},
        "parameters": tuple(TRUTH),
        "namespace": {},
        "hazard": "rho",
        "memory": 80 * ms,
    }
    return PopulationModel(**(arguments | changes))


@pytest.fixture(scope="module")
def stimulus():
    levels = np.random.default_rng(1).uniform(5, 25, (2, 8))
    return np.repeat(levels, 20, axis=1) * mV


def test_loss_gradient_and_matrix_of_many_points(stimulus):
    point = np.array(list(TRUTH.values()))
    blank = _population_model(np.zeros(stimulus.shape) * Hz, stimulus)
    rates = PopulationSimulation(blank, None, 1, False).recorded(point)["A"]
    assert rates.shape == stimulus.shape and rates.dim is Hz.dim
    model = _population_model(rates, stimulus)
    assert_start_counts(stimulus, rates)
    points = point * np.array([[1.0], [1.1], [0.9]])
    loss, gradient, matrix = PopulationSimulation(model, TraceLoss(), 3)(points)
    assert loss[0] < 1e-25 and np.abs(gradient[0]).max() < 1e-9
    step = 1e-5 * np.diag(points[1])
    values = PopulationSimulation(model, TraceLoss(), 6, False)(
        np.concatenate([points[1] + step, points[1] - step])
    )[0]
    expected = (values[:3] - values[3:]) / (2 * np.diag(step))
    assert_allclose(gradient[1], expected, rtol=1e-6)
    # At the truth the matrix is that of second derivatives
    h = 1e-4 * point[0]
    around = point + np.outer([h, -h], [1, 0, 0])
    bend = PopulationSimulation(model, TraceLoss(), 2, False)(around)[0].sum() / h**2
    assert matrix[0, 0, 0] == pytest.approx(bend, rel=1e-3)


def assert_start_counts(stimulus, rates):
    """Where the populations begin may depend on what is fitted."""
    model = _population_model(
        rates,
        stimulus,
        parameters=("EL",),
        initial={
            "v": "EL",
            **{n: np.array(x) for n, x in TRUTH.items()},
            "rate": np.array(20.0),
        },
    )
    found = PopulationSimulation(model, TraceLoss(), 1)([[4e-3]])[1][0, 0]
    low, high = PopulationSimulation(model, TraceLoss(), 2, False)(
        [[4e-3 - 1e-8], [4e-3 + 1e-8]]
    )[0]
    assert found == pytest.approx((high - low) / 2e-8, rel=1e-6)


def test_all_starts_are_fitted_at_once(stimulus):
    point = np.array(list(TRUTH.values()))
    blank = _population_model(np.zeros(stimulus.shape) * Hz, stimulus)
    rates = PopulationSimulation(blank, None, 1, False).recorded(point)["A"]
    simulation = PopulationSimulation(
        _population_model(rates, stimulus), TraceLoss(t_start=5 * ms), 5
    )
    box = Box([5e-3, 10e-3, 1e-3], [50e-3, 25e-3, 8e-3], [True, False, True])
    found = minimise(in_box(simulation, box), box.starts(5, 0), steps=30, target=1e-14)
    assert_allclose(box.values(found.x), point, rtol=1e-5)
    assert found.calls < 25


def test_one_bad_point_does_not_stop_the_others(stimulus):
    model = _population_model(np.ones(stimulus.shape) * Hz, stimulus)
    points = np.array([[15e-3, 16e-3, 3e-3], [15e-3, 16e-3, np.nan]])
    loss, gradient, _ = PopulationSimulation(model, TraceLoss(), 2)(points)
    assert np.isfinite(loss[0]) and np.isfinite(gradient[0]).all()
    assert np.isnan(loss[1])


ONE_THRESHOLD = NEURON.replace("threshold : volt", "threshold : volt (shared)")


def _fitter(rates, stimulus, **changes):
    arguments = {
        "model": STRINGS,
        "dt": DT,
        "scale": "mesoscopic",
        "hazard": "rho",
        "reset": "v = EL",
        "refractory": 3 * ms,
        "method": "exponential_euler",
        "memory": 80 * ms,
        "input": {"I": stimulus},
        "output": {"A": rates},
        "param_init": {"v": "EL", "EL": 2 * mV, "rate": 20 * Hz},
    }
    return GradientFitter(**(arguments | changes))


BOUNDS = {
    "tau": Param(5 * ms, 50 * ms, scale="log"),
    "threshold": [10, 25] * mV,
    "width": Param(1 * mV, 8 * mV, scale="log"),
}


def test_the_fitter_of_neurons_takes_populations(stimulus):
    blank = np.zeros(stimulus.shape) * Hz
    values = {"tau": 15 * ms, "threshold": 16 * mV, "width": 3 * mV}
    rates = _fitter(blank, stimulus).simulate(**values)["A"]
    fitter = _fitter(rates, stimulus)
    for name, (found, expected) in fitter.check_gradient(seed=1, **BOUNDS).items():
        assert found == pytest.approx(expected, rel=1e-5), name
    result = fitter.fit(n_starts=4, seed=0, target=1e-12, **BOUNDS)
    for name, value in values.items():
        assert float(result.params[name] / value) == pytest.approx(1, rel=1e-4)
    script = result.script().replace(
        "import *", "import *\nprefs.codegen.target='numpy'"
    )
    names = {}
    exec(script, names)
    group = names["group"]
    assert isinstance(group, MesoscopicGroup) and group.sizes == [1000]
    assert float(group.tau[0]) == pytest.approx(15e-3, rel=1e-4)
    assert_runs_like_the_fit(group, stimulus[0], rates[0])
    assert "MesoscopicGroup(50, " in result.script(50)


def assert_runs_like_the_fit(group, stimulus, rates):
    current = TimedArray(stimulus, dt=DT)
    group.run_regularly("I = current(t)", dt=DT)
    monitor = StateMonitor(group, "A", record=True, when="end")
    Network(group, monitor).run(len(stimulus) * DT, namespace={"current": current})
    assert_allclose(monitor.A_[0], rates / Hz, rtol=1e-2, atol=0.01)
    assert rates.max() > 10 * Hz


@pytest.mark.long
def test_the_fit_of_a_population_in_cpp(stimulus):
    """The same as in Python, and Brian2's device is empty afterwards."""
    truth = {"tau": 15 * ms, "threshold": 16 * mV, "width": 3 * mV}
    blank = np.zeros(stimulus.shape) * Hz
    rates = _fitter(blank, stimulus).simulate(**truth)["A"]
    expected = _fitter(rates, stimulus).check_gradient(seed=1, **BOUNDS)
    set_device("cpp_standalone", build_on_run=False)
    try:
        assert_allclose(_fitter(blank, stimulus).simulate(**truth)["A"] / rates, 1)
        fitter = _fitter(rates, stimulus)
        found = fitter.check_gradient(seed=1, **BOUNDS)
        result = fitter.fit(n_starts=2, seed=0, target=1e-12, **BOUNDS)
    finally:
        clean_device()
    for name, pair in expected.items():
        assert_allclose(found[name], pair, rtol=1e-6)
    for name, value in truth.items():
        assert float(result.params[name] / value) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"scale": "huge"}, ValueError, "scale"),
        ({"scale": "neuron"}, ValueError, "hazard='rho' is for populations"),
        ({"output": {"A": np.ones(160) * mV}}, DimensionMismatchError, "'A'"),
        ({"output": {"w": np.ones(160)}}, ValueError, "'w'"),
        ({"output": {"spikes": [[1] * ms]}}, ValueError, "rates, no spikes"),
        ({"hazard": None}, ValueError, "threshold"),
        ({"hazard": None, "threshold": "v > 20*mV"}, ValueError, "rand()"),
        ({"memory": 3 * mV}, DimensionMismatchError, "memory"),
        ({"input": {"tau": np.ones(160) * ms}}, ValueError, "'tau'"),
        ({"model": ONE_THRESHOLD}, ValueError, "'threshold'.*remove the flag .shared"),
    ],
)
def test_bad_populations_for_the_fitter(stimulus, changes, error, message):
    with pytest.raises(error, match=message):
        _fitter(np.ones(stimulus.shape) * Hz, stimulus, **changes)


def test_populations_are_fitted_to_rates_only(stimulus):
    fitter = _fitter(np.ones(stimulus.shape) * Hz, stimulus)
    for changes in (
        {"loss": TraceLoss(forced=True)},
        {"polish": TraceLoss()},
        {"backend": "jax"},
    ):
        with pytest.raises(ValueError):
            fitter.fit(**changes, **BOUNDS)


# ------------------------------------------------------------------- what has none


def test_what_has_no_derivative_is_named():
    noisy = _group(noise=True)
    with pytest.raises(NotDifferentiableError, match="noise=False"):
        PopulationDerivatives([noisy], {"tau": (noisy, "tau")}, 10 * ms)
    silent = LIF + "dead : second"
    group = _group(silent, refractory="dead")
    with pytest.raises(NotDifferentiableError, match="refractory period 'dead'"):
        PopulationDerivatives([group], {"dead": (group, "dead")}, 10 * ms)
    objects, _ = _network()
    with pytest.raises(NotDifferentiableError, match="delay of 'gradient_excitation'"):
        PopulationDerivatives(objects, {"d": (objects[1], "delay")}, 10 * ms)
    poisson = Projection(
        objects[0][:1],
        objects[0],
        model=STP,
        on_pre=ON_PRE,
        weights=0.1 * mV,
        parameters={"U": 0.3, "tau_f": 30 * ms, "tau_d": 40 * ms},
        closure="poisson",
    )
    for chosen in ({"U": (poisson, "U")}, {"mu": (objects[0], "mu", 0)}):
        with pytest.raises(NotDifferentiableError, match="closure='cohort'"):
            PopulationDerivatives([*objects, poisson], chosen, 10 * ms)


def test_other_kinds_of_groups_are_refused():
    objects, parameters = _network()
    density = DensityGroup(
        100,
        "dv/dt = (20*mV + g - v)/(20*ms) + 2*mV*xi/sqrt(20*ms) : volt\n"
        "dg/dt = -g/(5*ms) : volt",
        threshold="v > 15*mV",
        reset="v = 0*mV",
    )
    chosen = {"tau": parameters["tau"]}
    other = Projection(objects[0], density, on_pre="g += 0.1*mV")
    with pytest.raises(NotDifferentiableError, match="another kind of group"):
        PopulationDerivatives([*objects, density, other], chosen, 10 * ms)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (lambda g, p: (g, "v"), ValueError, "'v'.*no parameter"),
        (lambda g, p: (g, "A"), ValueError, "'A'"),
        (lambda g, p: (p, "tau"), ValueError, "'tau'.*has"),
        (lambda g, p: (p, "w", 0, 5), IndexError, "5"),
        (lambda g, p: ("mu",), TypeError, "must be"),
        (lambda g, p: (3, "mu"), TypeError, "must belong"),
        (lambda g, p: (g, "mu"), ValueError, "differ"),
    ],
)
def test_bad_parameters(spec, error, message):
    objects, _ = _network()
    with pytest.raises(error, match=message):
        PopulationDerivatives(objects, {"x": spec(*objects[:2])}, 10 * ms)


def test_bad_values():
    objects, parameters = _network()
    model = PopulationDerivatives(objects, parameters, 10 * ms)
    with pytest.raises(ValueError, match="'nonsense'"):
        model.set({"nonsense": 3})
    with pytest.raises(DimensionMismatchError, match="tau"):
        model.set({"tau": 3 * mV})
    with pytest.raises(ValueError, match="shape"):
        model.fit([1, 2, 3], tau=Param(5 * ms, 50 * ms))
    with pytest.raises(ValueError, match="objects must contain"):
        PopulationDerivatives(objects[1:], parameters, 10 * ms)
