"""Mechanism files for tests."""

import textwrap

__all__ = ["SCHEME", "SYNAPSE", "write"]

SYNAPSE = textwrap.dedent("""\
    # A synapse for tests
    #
    # /// mechanism
    # name = "tester"
    # kind = "synapse"
    # doi = "10.1000/182"
    # on_pre = "g += gmax*scale"
    # output = "g"
    #
    # [parameters]
    # tau = {value = "5*ms", source = "Table 1"}
    # gmax = {value = "2*nS", source = "Table 1"}
    # scale = {value = 3, source = "chosen"}
    #
    # [initial]
    # g = "gmax/2"
    #
    # [external]
    # v = "volt"
    # ///

    dg/dt = -g/tau   : siemens
    I = g*(E - v)    : amp
    gmax             : siemens (constant)
    E                : volt (constant)
    """)
SCHEME = SYNAPSE.replace(
    '# output = "g"\n',
    "# output = \"O\"\n# reactions = '''\n# C <-> O : 1/tau, 2/tau\n"
    "# O <-> D : v/mV/tau, 1/ms  # closes\n# '''\n",
)


def write(folder, name, text=SYNAPSE):
    path = folder / f"{name}.eqs"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace('"tester"', f'"{name}"'), encoding="utf-8")
    return path
