"""The numbers of [figure] in equations/, worked out without Brian2.

Every function takes the values of a mechanism as SI numbers and returns one number.
"""

import ast

import numpy as np
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm
from scipy.optimize import brentq
from scipy.special import erfcx

__all__ = ["CLOSED_FORMS"]


def lif(p, I):  # noqa: E741
    drive = p["tau_m"] / p["C_m"] * I
    distance = p["V_th"] - p["E_L"]
    return 1 / (p["t_ref"] + p["tau_m"] * np.log(drive / (drive - distance)))


def glif_escape(p):
    return 1 / (p["t_ref"] + _survival(p, p["theta"], 0.0)[0])


def _survival(p, theta, elevation, tau_theta=1.0):
    """Mean time to a spike after the dead time, and the density on a grid."""
    t = np.linspace(0, 0.6, 24001)
    v = p["mu"] + (p["V_r"] - p["mu"]) * np.exp(-t / p["tau_m"])
    threshold = theta + elevation * np.exp(-(t + p["t_ref"]) / tau_theta)
    hazard = p["rho_0"] * np.exp((v - threshold) / p["Delta_u"])
    step = t[1] - t[0]
    total = np.concatenate([[0], np.cumsum((hazard[1:] + hazard[:-1]) / 2 * step)])
    survivors = np.exp(-total)
    return np.trapezoid(survivors, t), t, hazard * survivors


def glif_escape_adaptive(p):
    # The elevation right after a spike is a Markov chain on a line.
    jump = p["J_theta"] / p["tau_theta"]
    grid = np.linspace(0, 12 * jump, 241)
    chain, means = np.zeros((241, 241)), np.zeros(241)
    for k, elevation in enumerate(grid):
        means[k], t, density = _survival(p, p["theta_inf"], elevation, p["tau_theta"])
        following = elevation * np.exp(-(t + p["t_ref"]) / p["tau_theta"]) + jump
        weights = density / density.sum()
        place = np.clip(following / grid[1], 0, 239.999)
        low = place.astype(int)
        np.add.at(chain[:, k], low, weights * (1 - (place - low)))
        np.add.at(chain[:, k], low + 1, weights * (place - low))
    law = np.linalg.matrix_power(chain, 512)[:, 0]
    return 1 / (p["t_ref"] + law @ means)


def glif_escape_psc(p):
    mu = p["E_L"] + p["I_e"] * p["tau_m"] / p["C_m"]
    return glif_escape_adaptive(
        {**p, "mu": mu, "J_theta": p["q_theta"] * p["tau_theta"]}
    )


def exponential_if(p, I):  # noqa: E741
    def slope(v):
        upstroke = p["Delta_T"] * np.exp((v - p["V_T"]) / p["Delta_T"])
        return (p["g_L"] * (p["E_L"] - v + upstroke) + I) / p["C_m"]

    duration, _ = quad(lambda v: 1 / slope(v), p["V_r"], p["V_cut"], limit=500)
    return 1 / (p["t_ref"] + duration)


def adex(p, I):  # noqa: E741
    def flow(_, y):
        v, w = y
        upstroke = p["Delta_T"] * np.exp((v - p["V_T"]) / p["Delta_T"])
        dv = (p["g_L"] * (p["E_L"] - v + upstroke) - w + I) / p["C_m"]
        return [dv, (p["a"] * (v - p["E_L"]) - w) / p["tau_w"]]

    def spike(_, y):
        return y[0] - p["V_cut"]

    spike.terminal = True
    state, interval = [p["E_L"], 0.0], 0.0
    for _ in range(60):
        run = solve_ivp(
            flow, (0, 1), state, "DOP853", events=spike, rtol=1e-11, atol=1e-16
        )
        interval = run.t[-1]
        state = [p["V_r"], run.y[1, -1] + p["b"]]
    return 1 / interval


def hodgkin_huxley(p, I):  # noqa: E741
    def vtrap(x):
        return x / np.expm1(x) if abs(x) > 1e-9 else 1 - x / 2

    def flow(_, y):
        v, m, h, n = y
        mv = v * 1e3
        rates = {
            "m": (vtrap(-(mv + 40) / 10), 4 * np.exp(-(mv + 65) / 18)),
            "h": (0.07 * np.exp(-(mv + 65) / 20), 1 / (1 + np.exp(-(mv + 35) / 10))),
            "n": (0.1 * vtrap(-(mv + 55) / 10), 0.125 * np.exp(-(mv + 65) / 80)),
        }
        current = p["g_Na"] * m**3 * h * (p["E_Na"] - v)
        current += p["g_K"] * n**4 * (p["E_K"] - v) + p["g_L"] * (p["E_L"] - v)
        gates = [
            1e3 * (up * (1 - x) - down * x)
            for x, (up, down) in zip((m, h, n), rates.values(), strict=True)
        ]
        return [(current + I) / p["C_m"], *gates]

    def crossing(_, y):
        return y[0] - p["V_spike"]

    crossing.direction = 1
    run = solve_ivp(
        flow, (0, 0.5), [-0.065, 0.05, 0.6, 0.32], "LSODA", events=crossing,
        rtol=1e-10, atol=1e-12, max_step=1e-4,
    )  # fmt: skip
    return 1 / np.diff(run.t_events[0])[-5:].mean()


def nlif(p, dt):
    # Siegert; the barrier shift is that of a walk looked at once per step.
    sigma = np.sqrt(2 * p["a"])
    shift = 0.5826 * sigma * np.sqrt(dt / p["tau_m"])
    low = (p["V_R"] - p["I"]) / sigma
    high = (p["V_F"] + shift - p["I"]) / sigma
    integral, _ = quad(lambda u: erfcx(-u), low, high)
    return 1 / (p["tau_m"] * np.sqrt(np.pi) * integral)


def square_pulse_peak(mechanism, name, concentration, duration):
    """Peak of the open states of a scheme after a square pulse, by exponentials."""
    values = {n: float(v) for n, v in mechanism.namespace.items()}
    pairs = [(a, b) for a, b, _ in mechanism.scheme.reactions]
    states = list(dict.fromkeys(s for pair in pairs for s in pair))
    step, propagators = 1e-6, []
    for value in (concentration, 0.0):
        matrix = np.zeros((len(states), len(states)))
        for source, target, rate in mechanism.scheme.reactions:
            j, i = states.index(source), states.index(target)
            number = _product(rate, {**values, name: value})
            matrix[i, j] += number
            matrix[j, j] -= number
        propagators.append(expm(matrix * step))
    is_open = np.array([s.startswith("O") for s in states])
    state, best = np.eye(len(states))[0], 0.0
    for k in range(40_000):
        state = propagators[int(k * step >= duration - step / 2)] @ state
        best = max(best, state[is_open].sum())
    return best


def _product(text, values):
    node = ast.parse(text, mode="eval").body
    factors = [node.left, node.right] if isinstance(node, ast.BinOp) else [node]
    return np.prod([values[factor.id] for factor in factors])


def biexponential(p):
    rise, decay = p["tau_rise"], p["tau_decay"]
    return np.log(decay / rise) * rise * decay / (decay - rise)


def glutamate_diffusion(p, t):
    u = 1 / (1 + p["clearance"] * t)
    volume = 4 * np.pi * p["D_glu"] * p["h_cleft"] * p["t_0"]
    kappa = p["r_cleft"] ** 2 / (4 * p["D_glu"] * p["t_0"])
    return p["n_molecules"] / (p["N_A"] * volume) * u * np.exp(-kappa * u)


def releases(p, number, interval):
    """Releases of a regular train: the recursion of Tsodyks and Markram."""
    u, x, result = p["U"], 1.0, []
    for _ in range(number):
        result.append(u * x)
        x = 1 + (x - u * x - 1) * np.exp(-interval / p["tau_d"])
        u = p["U"] + u * (1 - p["U"]) * np.exp(-interval / p["tau_f"])
    return result


def releases_with_inactivation(p, number, interval):
    """The same with resources that are active before they recover."""
    u, x, y, result = 0.0, 1.0, 0.0, []
    matrix = np.array([[-1 / p["tau_d"]] * 2, [0, -1 / p["tau_psc"]]])
    flow = expm(matrix * interval)
    for _ in range(number):
        u += p["U"] * (1 - u)
        result.append(u * x)
        x, y = x - u * x, y + u * x
        x, y = flow @ [x - 1, y] + [1, 0]
        u *= np.exp(-interval / p["tau_f"])
    return result


def _magnesium(p, v):
    return 1 / (1 + p["Mg"] / p["K_Mg"] * np.exp(-p["k_v"] * v))


def inner_hair_cell_rest(p):
    def current(v):
        m = 1 / (1 + np.exp(p["x0"] / p["s0"]) * (1 + np.exp(p["x0"] / p["s1"])))
        k = 1 / (1 + np.exp((p["xk"] - v) / p["sk"]))
        potassium = p["Gk"] * k * (p["Ekf"] + p["Eks"] - 2 * v)
        return p["Gmet"] * m * (p["EP"] - v) + potassium

    return brentq(current, -0.07, -0.05, xtol=1e-12)


def fibre_rate(p, v):
    """Steady state: what all stores hand on, and the fibre is free for, per second."""
    top = p["V_r"] + p["ss"] * np.log((p["PSR"] - p["sp"]) / p["sp"])
    at_rest = p["M2"] - p["sp"] / p["rr"]
    pool = p["M"] * (at_rest / p["M2"] - p["sp"] / p["xr"])
    opening = p["PSR"] / pool / (1 + np.exp((top - v) / p["ss"]))

    def balance(flow):
        local = p["M2"] - flow / p["rr"]
        return flow - p["xr"] * (local / p["M2"] - flow / opening / p["M"])

    flow = brentq(balance, 0, p["PSR"], xtol=1e-12)
    return 1 / (1 / flow + p["t_abs"] + p["dt_ref"])


#: Name to a function of the values, the mechanism and the figure's protocol.
CLOSED_FORMS = {
    "lif": lambda p, m: lif(p, 0.5e-9),
    "glif_escape": lambda p, m: glif_escape(p),
    "glif_escape_adaptive": lambda p, m: glif_escape_adaptive(p),
    "glif_escape_psc": lambda p, m: glif_escape_psc(p),
    "exponential_if": lambda p, m: exponential_if(p, 0.01),
    "adex": lambda p, m: adex(p, 1e-9),
    "hodgkin_huxley": lambda p, m: hodgkin_huxley(p, 0.1),
    "nlif": lambda p, m: nlif(p, 5e-5),
    "ampa_destexhe": lambda p, m: p["gmax"] * square_pulse_peak(m, "glu", 1.0, 1e-3),
    "nmda_destexhe": lambda p, m: square_pulse_peak(m, "glu", 1.0, 1e-3),
    "gabaa_destexhe": lambda p, m: p["gmax"] * square_pulse_peak(m, "gaba", 1.0, 1e-3),
    "exponential": lambda p, m: p["gmax"] * np.exp(-2e-3 / p["tau"]),
    "biexponential": lambda p, m: biexponential(p),
    "glutamate_diffusion": lambda p, m: glutamate_diffusion(p, 1e-3),
    "transmitter_pulse": lambda p, m: p["T_max"],
    "gaba_pulse": lambda p, m: p["T_max"],
    "tsodyks_markram": lambda p, m: releases(p, 10, 0.05)[-1],
    "tsodyks_markram_u_first": lambda p, m: releases(p, 10, 0.05)[-1],
    "tsodyks_uziel_markram": lambda p, m: releases_with_inactivation(p, 10, 0.05)[-1],
    "exponential_mg_block": lambda p, m: _magnesium(p, -0.06),
    "ihc_verhulst2018": lambda p, m: inner_hair_cell_rest(p),
    "anf_three_store": lambda p, m: fibre_rate(p, -57.6563e-3),
    "anf_spiking": lambda p, m: fibre_rate(p, -57.6563e-3),
}
