{# Goes with multiscale_guard.pyx; see the C++ template #}
cdef extern from *:
    """
{{_guard.core}}
    """
    bool ms_not_finite(double) noexcept
