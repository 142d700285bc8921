{# One time step of densities of the voltage: drift and diffusion at the upper end of every
   bin from the equations ("population", "face"), then the algorithm in density.h. #}
{# USES_VARIABLES { N, _first, _width, _top, _reset, _reset_cell, _silent, _ring, _position,
                    _strength, _synapses, _drift, _diffusion, _density, _kick, _size,
                    _fired, _direct, _event, _due, _whole, _mean, _saved, n, A, A_expected,
                    event_size, _mfespace, _physical, _lowest, dt } #}
{# WRITES_TO_READ_ONLY_VARIABLES { _density } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{{_guard.program}}
{{_core}}
{% endblock %}

{% block maincode %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code['population']|autoindent}}
    {{scalar_code['face']|autoindent}}
    const int _populations = {{constant_or_scalar('N', variables['N'])}};
    {% include 'multiscale_density_faces.cpp' %}

    {% set _watched = _guard.drivers %}
    {% include 'multiscale_guard.cpp' %}

    ms_density_step(
        _populations, {{_first}}, {{_width}}, {{_reset_cell}}, {{_drift}}, {{_diffusion}},
        {{dt}}, {{_density}}, {{_kick}}, {{_strength}}, {{_synapses}}, {{_silent}},
        {{_ring_length}}, {{_position}}, {{_ring}}, {{_size}}, {{_stochastic}},
        {{_physical}}, {{_substeps}}, {{_fired}}, {{_direct}}, {{_event}}, _rand);
    {{_position}} = ({{_position}} + 1) % {{_ring_length}};
    {% include 'multiscale_density_results.cpp' %}

    {% set _watched = _guard.results %}
    {% include 'multiscale_guard.cpp' %}
{% endblock %}

{% block after_code %}
    {{_mfespace}}[{{constant_or_scalar('N', variables['N'])}}] = 0;
{% endblock %}
