{# One time step of populations that are densities while they are quiet and neurons while
   they are synchronous. The density tries the step; if a population is about to
   synchronise, the step is taken back and done with neurons. Densities follow neurons, so
   that what is read of them is always right. #}
{# USES_VARIABLES { N, _first, _width, _top, _reset, _reset_cell, _silent, _ring, _position,
                    _strength, _synapses, _drift, _diffusion, _density, _kick, _size,
                    _fired, _direct, _event, _due, _whole, _mean, _saved, n, A, A_expected,
                    event_size, _mfespace, _physical, _lowest, dt, mode, _voltage, _waiting, _first_neuron,
                    _gap, _smoothed, _quiet, _kept_density, _kept_ring, _rate_up,
                    _rate_down } #}
{# WRITES_TO_READ_ONLY_VARIABLES { _density, _voltage, mode } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{{_guard.program}}
{{_core}}
#include <limits>
{% endblock %}

{% block maincode %}
    const size_t _vectorisation_idx = -1;
    const int _populations = {{constant_or_scalar('N', variables['N'])}};
    {
    {{scalar_code['population']|autoindent}}
    {{scalar_code['face']|autoindent}}
    {% include 'multiscale_density_faces.cpp' %}

    {% set _watched = _guard.drivers %}
    {% include 'multiscale_guard.cpp' %}

    }
    bool _as_neurons = {{mode}}[0] != 0;
    if (!_as_neurons)
    {
        const int _cells = {{_first}}[_populations];
        const int _slots = _populations*{{_ring_length}};
        std::copy({{_density}}, {{_density}} + _cells, {{_kept_density}});
        std::copy({{_ring}}, {{_ring}} + _slots, {{_kept_ring}});
        ms_density_step(
            _populations, {{_first}}, {{_width}}, {{_reset_cell}}, {{_drift}},
            {{_diffusion}}, {{dt}}, {{_density}}, {{_kick}}, {{_strength}},
            {{_synapses}}, {{_silent}}, {{_ring_length}}, {{_position}}, {{_ring}},
            {{_size}}, 0, {{_physical}}, {{_substeps}}, {{_fired}},
            {{_direct}}, {{_event}}, _rand);
        for (int _a = 0; _a < _populations; _a++)
        {
            const double _excitation = ms_excitation(_populations, {{_strength}}, _a);
            const double _noise = {{_diffusion}}[{{_first}}[_a + 1] - 1];
            const double _limit = ms_rate_limit({{_rate_up}}[_a], _noise, {{dt}}, _excitation);
            {{_smoothed}}[_a] = {{_fired}}[_a]/{{dt}};
            _as_neurons = _as_neurons || ms_to_neurons(
                {{_fired}}[_a], {{_direct}}[_a], {{_kick}}[_a], {{_width}}[_a],
                _excitation, _noise, {{dt}}, _limit);
        }
        if (_as_neurons)
        {
            std::copy({{_kept_density}}, {{_kept_density}} + _cells, {{_density}});
            std::copy({{_kept_ring}}, {{_kept_ring}} + _slots, {{_ring}});
            for (int _a = 0; _a < _populations; _a++)
            {
                const int _from = {{_first_neuron}}[_a];
                ms_sample({{_first}}[_a + 1] - {{_first}}[_a], {{_reset_cell}}[_a],
                          {{_width}}[_a], {{_top}}[_a], {{_density}} + {{_first}}[_a],
                          {{_ring}} + _a*{{_ring_length}}, {{_ring_length}}, {{_position}},
                          {{_first_neuron}}[_a + 1] - _from, {{_voltage}} + _from,
                          {{_waiting}} + _from, _rand);
                {{mode}}[_a] = 1;
                {{_quiet}}[_a] = 0;
            }
        }
    }
    if (_as_neurons)
    {
        const ms_neurons _neurons = {
            _populations, {{_first_neuron}}, {{_silent}}, {{_gap}}, {{_voltage}},
            {{_waiting}}, {{_top}}, {{_reset}}, {{_width}}, {{_strength}}, {{_physical}}};
        for (int _a = 0; _a < _populations; _a++)
            {{_fired}}[_a] = {{_direct}}[_a] = {{_event}}[_a] = 0;
        ms_kick_neurons(_neurons, {{_kick}}, {{_fired}}, {{_direct}}, {{_event}});
        {
        {{scalar_code['neuron']|autoindent}}
        for (int _pop_idx = 0; _pop_idx < _populations; _pop_idx++)
        {
            const double _above = {{_top}}[_pop_idx], _barrier = _above;
            const int _end = {{_first_neuron}}[_pop_idx + 1];
            for (int _neuron_idx = {{_first_neuron}}[_pop_idx]; _neuron_idx < _end; _neuron_idx++)
            {
                const size_t _vectorisation_idx = _neuron_idx;
                if ({{_waiting}}[_neuron_idx] > 0)
                {
                    {{_waiting}}[_neuron_idx]--;
                    {{_gap}}[_neuron_idx] = ms_cascade_never;
                    continue;
                }
                const double _now = {{_voltage}}[_neuron_idx];
                const double _normal = _randn(_neuron_idx);
                {{vector_code['neuron']|autoindent}}
                double _left = _above - _next;
                if (ms_not_finite(_left))  // the guard stops the run
                    {{_direct}}[_pop_idx] = _left;
                // It may have crossed the threshold and come back within the step
                if (_left > 0)
                {
                    const double _depth = (_above - _now)*_left/(_diffusion_here*{{dt}});
                    if (_depth < 40 && _rand(_neuron_idx) < exp(-_depth))
                        _left = ms_cascade_fired;
                }
                {{_gap}}[_neuron_idx] = _left > 0 ? _left : ms_cascade_fired;
                {% if _linear %}
                {{_voltage}}[_neuron_idx] = _next;
                {% else %}
                // What was beyond the threshold says nothing about the drift at the reset
                {{_voltage}}[_neuron_idx] = _left > 0 ? _next : _above;
                {% endif %}
            }
        }
        }
        ms_fire(_neurons, 0, 0, {{_fired}}, {{_direct}}, {{_event}});
        bool _all_quiet = true;
        for (int _a = 0; _a < _populations; _a++)
        {
            const int _from = {{_first_neuron}}[_a];
            ms_deposit({{_first}}[_a + 1] - {{_first}}[_a], {{_width}}[_a], {{_top}}[_a],
                       {{_density}} + {{_first}}[_a], {{_ring}} + _a*{{_ring_length}},
                       {{_ring_length}}, {{_position}} + 1,
                       {{_first_neuron}}[_a + 1] - _from, {{_voltage}} + _from,
                       {{_waiting}} + _from);
            const double _excitation = ms_excitation(_populations, {{_strength}}, _a);
            const double _noise = {{_diffusion}}[{{_first}}[_a + 1] - 1];
            const double _limit = ms_rate_limit({{_rate_down}}[_a], _noise, {{dt}}, 2*_excitation);
            const int _is_quiet = ms_to_density({{_fired}}[_a], {{dt}}, _limit, {{_hold}},
                                                &{{_smoothed}}[_a], &{{_quiet}}[_a]);
            _all_quiet = _all_quiet && _is_quiet;
        }
        if (_all_quiet)
        {
            for (int _a = 0; _a < _populations; _a++)
                {{mode}}[_a] = 0;
            std::fill({{_voltage}}, {{_voltage}} + {{_first_neuron}}[_populations],
                      std::numeric_limits<double>::quiet_NaN());
        }
    }
    {{_position}} = ({{_position}} + 1) % {{_ring_length}};
    {% include 'multiscale_density_results.cpp' %}

    {% set _watched = _guard.results %}
    {% include 'multiscale_guard.cpp' %}
{% endblock %}

{% block after_code %}
    {{_mfespace}}[{{constant_or_scalar('N', variables['N'])}}] = 0;
{% endblock %}
