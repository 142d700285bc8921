"""What a mechanism is: attributes, names, values, round trips, documentation."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from brian2.core.network import Network
from brian2.core.preferences import prefs
from brian2.equations.equations import Equations
from brian2.groups.neurongroup import NeuronGroup
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import amp, siemens, volt
from brian2.units.fundamentalunits import DimensionMismatchError
from brian2.units.stdunits import mM, ms, mV, nS
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanism_texts import SYNAPSE, write

from brian2_multiscale._equations_path import builtin_equations
from brian2_multiscale.mechanisms import (
    Mechanism,
    MechanismError,
    Parameter,
)
from brian2_multiscale.mechanisms import search as search_module
from brian2_multiscale.mechanisms.values import (
    ValueSyntaxError,
    dimensions_of_unit,
    evaluate,
    unit_text,
    value_text,
)

FILES = sorted(builtin_equations().rglob("*.eqs"))


@pytest.fixture(autouse=True)
def _clean_device(monkeypatch):
    # Replaces that of conftest.py: nothing here touches a device.
    monkeypatch.delenv(search_module.ENVIRONMENT, raising=False)
    prefs.codegen.target = "numpy"
    yield
    prefs.multiscale.equations_path = []


# -- what a mechanism is -----------------------------------------------------------
def test_attributes(tmp_path):
    path = write(tmp_path, "tester")
    m = Mechanism(path)
    assert (m.name, m.kind, m.version, m.doi) == ("tester", "synapse", 1, "10.1000/182")
    assert m.path == path and m.text == path.read_text() and m.suffix == ""
    assert m.on_pre == "g += gmax*scale" and m.output == "g"
    assert m.method is m.threshold is m.reset is m.refractory is m.hazard is None
    assert m.scheme is None and m.transmitter is None
    assert m.description == "A synapse for tests"
    assert m.parameters["tau"] == Parameter("tau", 5 * ms, "Table 1")
    assert m.namespace == {"tau": 5 * ms, "gmax": 2 * nS, "scale": 3.0}
    # The line with a default is gone, the one without stays a parameter.
    assert set(m.equations.names) == {"g", "I", "E"}
    assert m.external == {"v": volt.dim}
    assert m.initial == {"g": 1 * nS}


def test_suffix_renames_what_is_defined_and_nothing_else():
    m = Mechanism.from_text(SYNAPSE, suffix="_x")
    assert set(m.equations.names) == {"g_x", "I_x", "E_x"}
    assert m.equations["I_x"].expr.code == "g_x*(E_x - v)"
    assert m.on_pre == "g_x += gmax_x*scale_x"
    assert m.output == "g_x" and set(m.namespace) == {"tau_x", "gmax_x", "scale_x"}
    assert m.initial == {"g_x": 1 * nS} and set(m.external) == {"v"}


def test_rename_and_omit():
    m = Mechanism.from_text(SYNAPSE, suffix="_x", rename={"v": "v_post", "g": "gg"})
    assert m.equations["I_x"].expr.code == "gg*(E_x - v_post)"
    assert m.output == "gg" and set(m.external) == {"v_post"}
    assert "I" not in Mechanism.from_text(SYNAPSE, omit="I").equations
    assert set(Mechanism.from_text(SYNAPSE).readout.names) == {"I"}


def test_overrides_and_vary():
    m = Mechanism.from_text(SYNAPSE, gmax=7 * nS, E=-70 * mV)
    assert m.namespace["gmax"] == 7 * nS and m.namespace["E"] == -70 * mV
    assert "E" not in m.equations
    assert "given by the user" in m.parameters["gmax"].source
    varied = Mechanism.from_text(SYNAPSE, vary=("gmax", "tau"), gmax=7 * nS)
    assert set(varied.namespace) == {"scale"}
    assert varied.varied == {"tau": 5 * ms, "gmax": 7 * nS}
    assert varied.equations["tau"].dim is ms.dim
    assert "constant" in varied.equations["tau"].flags


def test_vary_in_a_group():
    m = Mechanism("lif", vary="C_m")
    group = NeuronGroup(3, m.equations, method=m.method, namespace=m.namespace)
    m.initialise(group)
    assert np.all(group.C_m == m.parameters["C_m"].value)
    assert np.all(group.v == -65 * mV)
    group.C_m = [1, 2, 3] * m.parameters["C_m"].value
    group.I = 0.1 * 1e-9 * amp
    Network(group).run(5 * ms, namespace={})
    assert np.all(np.diff(group.v) < 0 * volt)


def test_initial_expressions_are_left_to_brian():
    m = Mechanism("hodgkin_huxley", suffix="_a")
    assert m.initial["m_a"] == "alpha_m_a/(alpha_m_a + beta_m_a)"
    group = NeuronGroup(1, m.equations, method=m.method, namespace=m.namespace)
    m.initialise(group)
    # Gates of Hodgkin and Huxley at rest.
    assert np.allclose([group.m_a[0], group.h_a[0], group.n_a[0]],
                       [0.05293, 0.59612, 0.31768], atol=1e-5)  # fmt: skip


def test_hazard_gives_the_threshold():
    m = Mechanism("glif_escape", suffix="_1")
    assert m.hazard == "rho_0_1*exp((v_1 - theta_1)/Delta_u_1)"
    assert m.threshold == f"rand() < -expm1(-({m.hazard})*dt)"


def test_mechanisms_survive_a_process_boundary():
    m = Mechanism("nmda_destexhe", suffix="_a", gmax=2 * nS, rename={"v": "v_post"})
    again = pickle.loads(pickle.dumps(m))
    assert again == m and again.hash == m.hash and again.initial == m.initial
    assert again.scheme.states == m.scheme.states


def test_text_for_people():
    shown = str(Mechanism("lif"))
    for part in ("10.1093/cercor/bhs358", "dv/dt = ", "Potjans", "tau_m", "v > V_th"):
        assert part in shown
    assert repr(Mechanism("lif")).startswith("<Mechanism 'lif' (neuron)")
    shown = str(Mechanism("ampa_destexhe", suffix="_a", vary="gmax"))
    for part in ("C0_a <-> C1_a : Rb_a*glu, Ru1_a", "Defined elsewhere: glu",
                 "Transmitter: transmitter_pulse", "varies; ModelDB"):  # fmt: skip
        assert part in shown


def test_hash_follows_text_values_and_transmitter(tmp_path):
    reference = Mechanism.from_text(SYNAPSE)
    assert len(reference.hash) == 64
    assert reference.hash == Mechanism.from_text(SYNAPSE, suffix="_a").hash
    assert reference.hash == Mechanism.from_text(SYNAPSE, gmax=2 * nS).hash
    assert reference.hash != Mechanism.from_text(SYNAPSE, gmax=2.1 * nS).hash
    assert reference.hash != Mechanism.from_text(SYNAPSE + "# comment\n").hash
    assert reference.hash == Mechanism.from_text(SYNAPSE.replace("\n", "\r\n")).hash
    fast = Mechanism("ampa_robert_howe", clearance=2 / ms)
    assert fast.hash != Mechanism("ampa_robert_howe").hash


# -- receptors ---------------------------------------------------------------------
def test_receptor_and_its_transmitter():
    m = Mechanism("ampa_robert_howe", suffix="_a", clearance=2 / ms, n_receptors=3)
    states = "R0 R1 R2 R3 R4 D0 D1 D2 D3 D4 E2 E3 E4 O2 O3 O4"
    assert set(m.scheme.states) == {f"{s}_a" for s in states.split()}
    assert set(m.equations.names) == {*m.scheme.states, "g_a"}
    assert m.method == "kinetic" and m.external == {"glu": mM.dim}
    assert m.namespace["n_receptors_a"] == 3
    assert m.transmitter.name == "glutamate_diffusion" and m.on_pre is None
    assert m.transmitter.namespace["clearance"] == 2 / ms
    assert "glu" in m.transmitter.equations and "t1 = t + dt" in m.transmitter.on_pre
    assert sum(m.initial[s] for s in m.scheme.states) == pytest.approx(1)


def test_nmda_states_and_voltage():
    m = Mechanism("nmda_ambert", rename={"v": "v_post"})
    assert len(m.scheme.states) == 15 and m.output == "Open"
    assert {"R_2Glu_2Gly", "State6", "Desensitized", "Open1"} <= set(m.scheme.states)
    assert m.equations["g"].dim is siemens.dim
    assert m.external == {"glu": mM.dim, "v_post": volt.dim}
    assert set(Mechanism("nmda_ambert").readout.names) == {"g"}
    assert set(Mechanism("exponential_mg_block").readout.names) == {"g", "block"}
    assert len(Mechanism("ampa_robert_howe").readout) == 0
    assert "g" not in Mechanism("nmda_ambert", omit="g").equations


def test_synaptic_equations_are_flagged():
    for name in ("ampa_destexhe", "tsodyks_markram", "glutamate_diffusion"):
        m = Mechanism(name)
        for plain, flagged in zip(
            m.equations.values(), m.synaptic_equations.values(), strict=True
        ):
            added = set(flagged.flags) - set(plain.flags)
            is_clock_driven = plain.type == "differential equation" and not plain.flags
            assert added == ({"clock-driven"} if is_clock_driven else set())
            assert (plain.expr, plain.dim) == (flagged.expr, flagged.dim)


def test_transmitter_can_be_renamed():
    m = Mechanism("gabaa_destexhe", suffix="_i", rename={"gaba": "inhibitor"})
    assert set(m.external) == {"inhibitor"}
    assert "inhibitor" in m.transmitter.equations


def test_two_receptors_share_a_synapse():
    ampa = Mechanism("ampa_destexhe", suffix="_a")
    nmda = Mechanism("nmda_destexhe", suffix="_n", rename={"v": "v_post"})
    source = NeuronGroup(1, "v : volt", threshold="t < dt", name="pre_shared")
    target = NeuronGroup(1, "v : volt", name="post_shared")
    transmitter = ampa.transmitter
    synapses = Synapses(
        source,
        target,
        ampa.synaptic_equations + nmda.synaptic_equations + transmitter.equations,
        on_pre=transmitter.on_pre,
        method="kinetic",
        namespace={**ampa.namespace, **nmda.namespace, **transmitter.namespace},
    )
    synapses.connect()
    for mechanism in (ampa, nmda, transmitter):
        mechanism.initialise(synapses)
    assert synapses.C0_a[0] == synapses.C0_n[0] == 1
    Network(source, target, synapses).run(2 * ms, namespace={})
    assert 0.01 < synapses.O_a[0] < 1 and 0.001 < synapses.O_n[0] < 1


def test_own_transmitter_beside_the_file(tmp_path):
    text = builtin_equations() / "receptors" / "nmda_destexhe.eqs"
    receptor = text.read_text().replace("transmitter_pulse", "mine")
    write(
        tmp_path,
        "mine",
        (builtin_equations() / "synapses/transmitter_pulse.eqs")
        .read_text()
        .replace('"1*ms"', '"3*ms"')
        .replace("transmitter_pulse", "mine"),
    )
    path = tmp_path / "nmda_destexhe.eqs"
    path.write_text(receptor)
    assert Mechanism(path).transmitter.namespace["duration"] == 3 * ms
    path.write_text(receptor.replace('"mine"', '"missing"'))
    with pytest.raises(MechanismError, match="eqs:13.*transmitter.*'missing'"):
        Mechanism(path)
    path.write_text(receptor.replace('"mine"', '"nmda_destexhe"'))
    with pytest.raises(MechanismError, match="has a transmitter itself"):
        Mechanism(path)


# -- round trip ----------------------------------------------------------------------
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_round_trip(path):
    m = Mechanism(path)
    assert Mechanism.from_text(m.to_text()) == m
    suffixed = Mechanism(path, suffix="_q")
    again = Mechanism.from_text(suffixed.to_text())
    assert again == suffixed != m and hash(again) == hash(suffixed)


@given(
    gmax=st.floats(1e-12, 1e-3),
    tau=st.floats(1e-9, 1e3),
    scale=st.floats(-1e12, 1e12),
    suffix=st.from_regex(r"_[a-z0-9]{1,6}", fullmatch=True),
    comment=st.text(
        st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30
    ),
)
@settings(max_examples=60, deadline=None)
def test_round_trip_of_any_values(gmax, tau, scale, suffix, comment):
    text = SYNAPSE.replace("chosen", comment.replace("\\", "").replace('"', "") + "?")
    values = {"gmax": gmax * siemens, "tau": tau * ms, "scale": scale}
    m = Mechanism.from_text(text, suffix=suffix, **values)
    again = Mechanism.from_text(m.to_text())
    assert again == m and again.namespace == m.namespace


# -- values --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text, expected",
    [
        ("13/(mM*ms)", 13 / (mM * ms)),
        ("-65*mV", -65 * mV),
        ("2", 2.0),
        ("1e-3", 1e-3),
        ("(1 + 2)**2*nS", 9 * nS),
        ("10*mV/(2*mV)", 5.0),
    ],
)
def test_values(text, expected):
    assert evaluate(text) == expected
    assert evaluate(value_text(evaluate(text))) == evaluate(text)


@pytest.mark.parametrize(
    "text",
    "__import__('os') nosuch 'a' 1/0 9**9**9**9 (-1)**0.5 mV+ms 1e999 [1] x=1 1j True "
    "lambda:0 2**mV max(1,2) 1if(2)else(3) mV.dim 1_000_000e400 ( ''".split(),
)
def test_values_are_never_executed(text):
    with pytest.raises((ValueSyntaxError, DimensionMismatchError)):
        evaluate(text)


@given(st.dictionaries(st.sampled_from("metre kilogram second amp mole".split()),
                       st.integers(-4, 4), max_size=4))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_units_are_written_as_brian_reads_them(powers):
    text = "*".join(f"{unit}**{power}" for unit, power in powers.items()) or "1"
    dimensions = dimensions_of_unit(text)
    assert Equations(f"x : {unit_text(dimensions)}")["x"].dim is dimensions


# -- the documentation ---------------------------------------------------------------
def doc_blocks(language):
    page = Path(__file__).parents[1] / "docs" / "mechanism_files.md"
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    "block", doc_blocks("python"), ids=["use", "receptors", "sensory"]
)
def test_documented_code_runs(block):
    names = {}
    exec(compile(block, "mechanism_files.md", "exec"), names)
    if "nmda" in names:
        assert names["target"].g_fast[0] > 1e-13 * siemens
    if "fibres" in names:
        assert names["fibres"].w[0] < 57  # 58.2 at rest


def test_documented_file_and_error():
    (text,) = doc_blocks("eqs")
    assert Mechanism.from_text(text).initial["C"] == 1
    page = (Path(__file__).parents[1] / "docs" / "mechanism_files.md").read_text()
    broken = text.replace("5/(mM*ms)", "5/(mm*ms")
    with pytest.raises(MechanismError) as error:
        Mechanism.from_text(broken, path="my_ampa.eqs")
    assert f"`{error.value}`" in page


def test_memory_of_spikes_is_no_parameter():
    with pytest.raises(MechanismError, match="no parameter 't1'"):
        Mechanism("ampa_robert_howe", t1=3 * ms)
