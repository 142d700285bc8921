"""Where ideas become generated code: the only place that knows C++ and Cython.

``targets`` lets an object bring its own templates, ``arrays`` ships arrays to
functions that equations can call, the other modules are such functions and objects.
"""

__all__ = []
