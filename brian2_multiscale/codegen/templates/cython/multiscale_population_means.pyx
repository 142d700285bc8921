{# See the C++ template #}
{# USES_VARIABLES { _first, _sizes, _spikespace, n, A, dt, t, _not_finite } #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
{% include 'multiscale_guard_declared.pyx' %}
{% endblock %}

{% block maincode %}
    cdef int _population, _neuron, _begin, _end, _earlier, _spike = 0
    cdef int _spikes = {{_spikespace}}[_num{{_spikespace}} - 1]
    cdef double _sum, _pending
    for _population in range({{_populations}}):
        _begin = {{_first}}[_population]
        _end = {{_first}}[_population + 1]
        _earlier = _spike
        while _spike < _spikes and {{_spikespace}}[_spike] < _end:
            _spike += 1
        {{n}}[_population] = _spike - _earlier
        {{A}}[_population] = (_spike - _earlier)/({{_sizes}}[_population]*{{dt}})
        {% for _name in _averaged %}
        {% set _here = get_array_name(variables['_here_' + _name]) %}
        {% set _last = get_array_name(variables['_last_' + _name]) %}
        _sum = 0
        for _neuron in range(_begin, _end):
            _sum += {{get_array_name(variables[_name])}}[_neuron]
        _pending = {{_here}}[_population] - {{_last}}[_population]
        {{_last}}[_population] = _sum/{{_sizes}}[_population]
        {{_here}}[_population] = {{_last}}[_population] + _pending
        {% endfor %}

    {% set _watched = _guard.results %}
    {% if _watched %}
    {% include 'multiscale_guard.pyx' %}
    {% endif %}
{% endblock %}
