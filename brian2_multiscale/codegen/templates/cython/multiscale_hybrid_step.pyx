{# See the C++ template #}
{# USES_VARIABLES { N, _first, _width, _top, _reset, _reset_cell, _silent, _ring, _position,
                    _strength, _synapses, _drift, _diffusion, _density, _kick, _size,
                    _fired, _direct, _event, _due, _whole, _mean, _saved, n, A, A_expected,
                    event_size, _mfespace, _physical, _lowest, _not_finite, _divided_by_zero, dt, mode, _voltage, _waiting, _first_neuron,
                    _gap, _smoothed, _quiet, _kept_density, _kept_ring, _rate_up,
                    _rate_down } #}
{# WRITES_TO_READ_ONLY_VARIABLES { _density, _voltage, mode } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
{% include 'multiscale_guard_declared.pyx' %}

cdef extern from *:
    """
{{_core}}
    """
    ctypedef struct ms_neurons:
        int populations
        const int32_t* first
        const int32_t* silent
        double* gap
        double* voltage
        int32_t* waiting
        const double* top
        const double* reset
        const double* width
        const double* strength
        int physical
    const double ms_cascade_fired
    double NAN
    const double ms_cascade_never
    void ms_density_step(
        int, const int32_t*, const double*, const int32_t*, const double*, const double*,
        double, double*, const double*, const double*, const double*, const int32_t*,
        int, int, double*, const double*, int, int, int, double*, double*, double*,
        double (*)(int) noexcept) noexcept
    double ms_excitation(int, const double*, int) noexcept
    double ms_rate_limit(double, double, double, double) noexcept
    int ms_to_neurons(
        double, double, double, double, double, double, double, double) noexcept
    int ms_to_density(double, double, double, int, double*, int32_t*) noexcept
    void ms_sample(
        int, int, double, double, double*, const double*, int, int, int, double*,
        int32_t*, double (*)(int) noexcept) noexcept
    void ms_deposit(
        int, double, double, double*, double*, int, int, int, const double*,
        const int32_t*) noexcept
    void ms_fire(
        const ms_neurons&, int, const double*, double*, double*, double*) noexcept
    void ms_kick_neurons(
        const ms_neurons&, const double*, double*, double*, double*) noexcept

cdef double _uniform(int _idx) noexcept:
    return _rand(_idx)
{% endblock %}

{% block maincode %}
    cdef int _cell, _begin, _end, _populations = N, _events = 0, _a, _from, _k
    cdef int _cells = {{_first}}[_populations], _slots = _populations*{{_ring_length}}
    cdef int _as_neurons, _all_quiet, _is_quiet
    cdef double _bin, _above, _sum, _moment, _spikes, _excitation, _limit, _noise
    cdef double _left, _depth
    cdef ms_neurons _neurons
    _vectorisation_idx = 1
    {{scalar_code['population']|autoindent}}
    {{scalar_code['face']|autoindent}}
    {{scalar_code['neuron']|autoindent}}
    {% include 'multiscale_density_faces.pyx' %}

    {% set _watched = _guard.drivers %}
    {% include 'multiscale_guard.pyx' %}

    _as_neurons = {{mode}}[0]
    if not _as_neurons:
        for _k in range(_cells):
            {{_kept_density}}[_k] = {{_density}}[_k]
        for _k in range(_slots):
            {{_kept_ring}}[_k] = {{_ring}}[_k]
        ms_density_step(
            _populations, &{{_first}}[0], &{{_width}}[0], &{{_reset_cell}}[0],
            &{{_drift}}[0], &{{_diffusion}}[0], {{dt}}, &{{_density}}[0], &{{_kick}}[0],
            &{{_strength}}[0], &{{_synapses}}[0], &{{_silent}}[0], {{_ring_length}},
            {{_position}}, &{{_ring}}[0], &{{_size}}[0], 0, {{_physical}},
            {{_substeps}}, &{{_fired}}[0], &{{_direct}}[0], &{{_event}}[0],
            _uniform)
        for _a in range(_populations):
            _excitation = ms_excitation(_populations, &{{_strength}}[0], _a)
            _noise = {{_diffusion}}[{{_first}}[_a + 1] - 1]
            _limit = ms_rate_limit({{_rate_up}}[_a], _noise, {{dt}}, _excitation)
            {{_smoothed}}[_a] = {{_fired}}[_a]/{{dt}}
            _as_neurons = _as_neurons or ms_to_neurons(
                {{_fired}}[_a], {{_direct}}[_a], {{_kick}}[_a], {{_width}}[_a],
                _excitation, _noise, {{dt}}, _limit)
        if _as_neurons:
            for _k in range(_cells):
                {{_density}}[_k] = {{_kept_density}}[_k]
            for _k in range(_slots):
                {{_ring}}[_k] = {{_kept_ring}}[_k]
            for _a in range(_populations):
                _from = {{_first_neuron}}[_a]
                ms_sample(
                    {{_first}}[_a + 1] - {{_first}}[_a], {{_reset_cell}}[_a],
                    {{_width}}[_a], {{_top}}[_a], &{{_density}}[0] + {{_first}}[_a],
                    &{{_ring}}[0] + _a*{{_ring_length}}, {{_ring_length}}, {{_position}},
                    {{_first_neuron}}[_a + 1] - _from, &{{_voltage}}[0] + _from,
                    &{{_waiting}}[0] + _from, _uniform)
                {{mode}}[_a] = 1
                {{_quiet}}[_a] = 0
    if _as_neurons:
        _neurons.populations = _populations
        _neurons.first = &{{_first_neuron}}[0]
        _neurons.silent = &{{_silent}}[0]
        _neurons.gap = &{{_gap}}[0]
        _neurons.voltage = &{{_voltage}}[0]
        _neurons.waiting = &{{_waiting}}[0]
        _neurons.top = &{{_top}}[0]
        _neurons.reset = &{{_reset}}[0]
        _neurons.width = &{{_width}}[0]
        _neurons.strength = &{{_strength}}[0]
        _neurons.physical = {{_physical}}
        for _a in range(_populations):
            {{_fired}}[_a] = 0
            {{_direct}}[_a] = 0
            {{_event}}[_a] = 0
        ms_kick_neurons(
            _neurons, &{{_kick}}[0], &{{_fired}}[0], &{{_direct}}[0], &{{_event}}[0])
        for _pop_idx in range(_populations):
            _above = {{_top}}[_pop_idx]
            {% if not _linear %}
            _barrier = _above
            {% endif %}
            for _k in range({{_first_neuron}}[_pop_idx], {{_first_neuron}}[_pop_idx + 1]):
                _neuron_idx = _k
                _vectorisation_idx = _neuron_idx
                if {{_waiting}}[_k] > 0:
                    {{_waiting}}[_k] -= 1
                    {{_gap}}[_k] = ms_cascade_never
                    continue
                _now = {{_voltage}}[_k]
                _normal = _randn(_vectorisation_idx)
                {{vector_code['neuron']|autoindent}}
                _left = _above - _next
                if ms_not_finite(_left):  # the guard stops the run
                    {{_direct}}[_pop_idx] = _left
                if _left > 0:
                    _depth = (_above - _now)*_left/(_diffusion_here*{{dt}})
                    if _depth < 40 and _rand(_vectorisation_idx) < exp(-_depth):
                        _left = ms_cascade_fired
                {{_gap}}[_k] = _left if _left > 0 else ms_cascade_fired
                {% if _linear %}
                {{_voltage}}[_k] = _next
                {% else %}
                {{_voltage}}[_k] = _next if _left > 0 else _above
                {% endif %}
        ms_fire(_neurons, 0, NULL, &{{_fired}}[0], &{{_direct}}[0], &{{_event}}[0])
        _all_quiet = 1
        for _a in range(_populations):
            _from = {{_first_neuron}}[_a]
            ms_deposit(
                {{_first}}[_a + 1] - {{_first}}[_a], {{_width}}[_a], {{_top}}[_a],
                &{{_density}}[0] + {{_first}}[_a], &{{_ring}}[0] + _a*{{_ring_length}},
                {{_ring_length}}, {{_position}} + 1,
                {{_first_neuron}}[_a + 1] - _from, &{{_voltage}}[0] + _from,
                &{{_waiting}}[0] + _from)
            _excitation = ms_excitation(_populations, &{{_strength}}[0], _a)
            _noise = {{_diffusion}}[{{_first}}[_a + 1] - 1]
            _limit = ms_rate_limit({{_rate_down}}[_a], _noise, {{dt}}, 2*_excitation)
            _is_quiet = ms_to_density(
                {{_fired}}[_a], {{dt}}, _limit, {{_hold}}, &{{_smoothed}}[_a],
                &{{_quiet}}[_a])
            _all_quiet = _all_quiet and _is_quiet
        if _all_quiet:
            for _a in range(_populations):
                {{mode}}[_a] = 0
            for _k in range({{_first_neuron}}[_populations]):
                {{_voltage}}[_k] = NAN
    {{_position}} = ({{_position}} + 1) % {{_ring_length}}
    {% include 'multiscale_density_results.pyx' %}

    {% set _watched = _guard.results %}
    {% include 'multiscale_guard.pyx' %}
{% endblock %}

{% block after_code %}
    {{_mfespace}}[N] = 0
{% endblock %}
