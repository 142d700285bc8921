"""One C++ text for two targets: Cython and C++ standalone.

Cython takes C++ verbatim, so that a function only needs to be written once and gives
the same numbers on both targets. The text defines a function called ``%CORE%``;
`shared_implementations` wraps it in what each target calls.
"""

from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.utils.stringtools import replace

__all__ = ["shared_implementations"]

_C_TYPES = {"any": "double", "float": "double", "integer": "int32_t", "boolean": "char"}

# What %FAIL%("message") does. Standalone programs have no one to catch an exception;
# Brian2 shows what they wrote to stdout when they end with an error.
_CPP_FAIL = """
static inline void %CORE%_fail(const char* _message)
{
    std::cout << "ERROR: " << _message << std::endl;
    std::_Exit(1);
}
"""

_CPP = """
%CODE%
static inline %RETURN% %NAME%(%DECLARED%)
{
    return %CORE%(%PASSED%);
}
"""

# ``except +`` turns std::domain_error into ValueError; the value behind ``except?``
# only has to be one that is rarely returned, because it costs a further check.
_CYTHON = '''
cdef extern from *:
    """
    #include <cmath>
    #include <cstdio>
    #include <cstdint>
    #include <stdexcept>
%CODE%
    """
    %RETURN% %CORE%(%CORE_TYPES%) %EXTERN_ERRORS%
%ADAPTER%
cdef inline %RETURN% %NAME%(%DECLARED%) %ERRORS%:
    return %CORE%(%PASSED%)
'''

_CYTHON_FAIL = """
static inline void %CORE%_fail(const char* _message)
{
    throw std::domain_error(_message);
}
"""

# Cython's own _rand may raise, which is a different function type
_CYTHON_RAND = """
cdef double %CORE%_rand(int _idx) noexcept:
    return _rand(_idx)
"""


def shared_implementations(
    name,
    code,
    arrays=None,
    arg_types=("float",),
    return_type="float",
    can_fail=False,
    random=False,
):
    """Make the C++ and Cython source of a function from one C++ text.

    Parameters
    ----------
    name : str
        Name of the function in the generated code; unique in a simulation.
    code : str
        C++11 defining ``static inline double %CORE%(arrays..., arguments...)``; helper
        functions have names that start with ``%CORE%``. Without backslashes and
        triple quotes. With `can_fail`, ``%CORE%_fail(message)`` ends the simulation
        with that message.
    arrays : dict of str to str, optional
        Namespace keys and element types of the arrays: each is passed as
        ``const <type>*``, in this order, before the arguments.
    arg_types : sequence of str
        Brian2's names: 'any' and 'float' (``double``), 'integer' (``int32_t``),
        'boolean' (``char``).
    return_type : {'float', 'integer', 'boolean'}
    can_fail : bool
        Whether the code calls ``%CORE%_fail``.
    random : bool
        Whether the core wants ``double (*rand)(int), int index`` as its last two
        arguments; ``rand(index)`` then gives a uniform number in [0, 1). The function
        has to be used with ``auto_vectorise=True``.

    Returns
    -------
    sources : dict
        ``{'cpp': str, 'cython': str}``, ready for ``add_implementation``.
    dependencies : dict
        The functions that these sources call.
    """
    arrays = arrays or {}
    core = f"{name}_core"
    types = [_C_TYPES[arg_type] for arg_type in arg_types]
    declared = [f"{c_type} _arg{i}" for i, c_type in enumerate(types)]
    passed = [f"_namespace{key}" for key in arrays]
    passed += [f"_arg{i}" for i in range(len(types))]
    core_types = [f"const {c_type}*" for c_type in arrays.values()] + types
    if random:
        declared.append("int _arg_idx")
    common = {
        "%NAME%": name,
        "%RETURN%": _C_TYPES[return_type],
        "%DECLARED%": ", ".join(declared),
    }
    sources = {
        "cpp": _cpp_source(code, passed, can_fail, random, common),
        "cython": _cython_source(code, passed, core_types, can_fail, random, common),
    }
    sources = {key: source.replace("%CORE%", core) for key, source in sources.items()}
    return sources, {"_rand": DEFAULT_FUNCTIONS["rand"]} if random else {}


def _cpp_source(code, passed, can_fail, random, common):
    passed = passed + ["_rand", "_arg_idx"] if random else passed
    code = (_CPP_FAIL if can_fail else "") + code
    return replace(_CPP, {**common, "%CODE%": code, "%PASSED%": ", ".join(passed)})


def _cython_source(code, passed, core_types, can_fail, random, common):
    if random:
        passed = passed + ["%CORE%_rand", "_arg_idx"]
        core_types = core_types + ["double (*)(int) noexcept", "int"]
    rare = "-1.5e300" if common["%RETURN%"] == "double" else "-2147483647"
    substitutions = {
        **common,
        "%CODE%": (_CYTHON_FAIL if can_fail else "") + code,
        "%PASSED%": ", ".join(passed),
        "%CORE_TYPES%": ", ".join(core_types),
        "%ADAPTER%": _CYTHON_RAND if random else "",
        "%EXTERN_ERRORS%": "except +" if can_fail else "noexcept",
        "%ERRORS%": f"except? {rare}" if can_fail else "noexcept",
    }
    return replace(_CYTHON, substitutions)
