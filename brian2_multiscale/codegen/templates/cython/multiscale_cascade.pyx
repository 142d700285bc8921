{# See the C++ template #}
{# USES_VARIABLES { N, _spikespace, _first, _kick, _reach, _shift } #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
cdef extern from *:
    """
{{_core}}
    """
    const double ms_cascade_fired
    const double ms_cascade_never
    double* ms_cascade_gaps(size_t) noexcept
    void ms_coupled_cascade(int, int32_t*, double*, double*, bool, double*, double*) noexcept
{% endblock %}

{% block maincode %}
    {% set _v = get_array_name(variables[_variable]) %}
    cdef double* _gaps = ms_cascade_gaps(N)
    cdef size_t _direct = 0, _count = 0
    cdef int _population, _neuron
    cdef double _otherwise, _limit_reached, _moved

    _vectorisation_idx = 1
    {{scalar_code['neuron']|autoindent}}
    for _idx in range(N):
        _vectorisation_idx = _idx
        {{vector_code['neuron']|autoindent}}
        _otherwise = _gap
        {% if _uses_refractory %}
        if not {{not_refractory}}[_idx]:
            _otherwise = ms_cascade_never
        {% endif %}
        if _cond:
            _otherwise = ms_cascade_fired
            _direct += 1
        _gaps[_idx] = _otherwise

    if _direct > 0:
        _vectorisation_idx = 1
        {{scalar_code['pair']|autoindent}}
        for _pair_idx in range({{_populations*_populations}}):
            _vectorisation_idx = _pair_idx
            {{vector_code['pair']|autoindent}}
        ms_coupled_cascade({{_populations}}, &{{_first}}[0], _gaps, &{{_kick}}[0],
                           {{_inclusive}}, &{{_reach}}[0], &{{_shift}}[0])
        for _population in range({{_populations}}):
            _limit_reached = {{_reach}}[_population]
            _moved = {{_shift}}[_population]
            for _neuron in range({{_first}}[_population], {{_first}}[_population + 1]):
                {% if _uses_refractory and _unless_refractory %}
                if {{not_refractory}}[_neuron]:
                    {{_v}}[_neuron] += _moved
                {% else %}
                {{_v}}[_neuron] += _moved
                {% endif %}
                if _gaps[_neuron] {{"<=" if _inclusive else "<"}} _limit_reached:
                    {{_spikespace}}[_count] = _neuron
                    _count += 1
                    {% if _uses_refractory %}
                    {{not_refractory}}[_neuron] = False
                    {{lastspike}}[_neuron] = {{t}}
                    {% endif %}
    {{_spikespace}}[N] = _count
{% endblock %}

{% block after_code %}
    {{_spikespace}}[N] = 0
{% endblock %}
