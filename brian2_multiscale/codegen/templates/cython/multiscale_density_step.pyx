{# See the C++ template #}
{# USES_VARIABLES { N, _first, _width, _top, _reset, _reset_cell, _silent, _ring, _position,
                    _strength, _synapses, _drift, _diffusion, _density, _kick, _size,
                    _fired, _direct, _event, _due, _whole, _mean, _saved, n, A, A_expected,
                    event_size, _mfespace, _physical, _lowest, _not_finite, _divided_by_zero, dt } #}
{# WRITES_TO_READ_ONLY_VARIABLES { _density } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
{% include 'multiscale_guard_declared.pyx' %}

cdef extern from *:
    """
{{_core}}
    """
    void ms_density_step(
        int, const int32_t*, const double*, const int32_t*, const double*, const double*,
        double, double*, const double*, const double*, const double*, const int32_t*,
        int, int, double*, const double*, int, int, int, double*, double*, double*,
        double (*)(int) noexcept) noexcept

cdef double _uniform(int _idx) noexcept:
    return _rand(_idx)
{% endblock %}

{% block maincode %}
    cdef int _cell, _begin, _end, _populations = N, _events = 0
    cdef double _bin, _above, _sum, _moment, _spikes
    _vectorisation_idx = 1
    {{scalar_code['population']|autoindent}}
    {{scalar_code['face']|autoindent}}
    {% include 'multiscale_density_faces.pyx' %}

    {% set _watched = _guard.drivers %}
    {% include 'multiscale_guard.pyx' %}

    ms_density_step(
        _populations, &{{_first}}[0], &{{_width}}[0], &{{_reset_cell}}[0],
        &{{_drift}}[0], &{{_diffusion}}[0], {{dt}}, &{{_density}}[0], &{{_kick}}[0],
        &{{_strength}}[0], &{{_synapses}}[0], &{{_silent}}[0], {{_ring_length}},
        {{_position}}, &{{_ring}}[0], &{{_size}}[0], {{_stochastic}}, {{_physical}},
        {{_substeps}}, &{{_fired}}[0], &{{_direct}}[0], &{{_event}}[0],
        _uniform)
    {{_position}} = ({{_position}} + 1) % {{_ring_length}}
    {% include 'multiscale_density_results.pyx' %}

    {% set _watched = _guard.results %}
    {% include 'multiscale_guard.pyx' %}
{% endblock %}

{% block after_code %}
    {{_mfespace}}[N] = 0
{% endblock %}
