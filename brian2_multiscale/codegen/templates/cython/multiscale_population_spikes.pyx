{# See the C++ template #}
{# USES_VARIABLES { _spikespace, _first, _circle, _front, _resting, _recent, _slot,
                    _count } #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
cdef extern from "<algorithm>" namespace "std":
    void _sort "std::sort"(int32_t*, int32_t*) nogil
{% endblock %}

{% block maincode %}
    cdef int _turn = {{_slot}}
    cdef int _fired = 0, _begin, _size, _place, _spikes, _from, _k, _able, _other, _past
    cdef int32_t _chosen
    _vectorisation_idx = 1
    {{scalar_code|autoindent}}
    for _pop_idx in range({{_populations}}):
        _begin = {{_first}}[_pop_idx]
        _size = {{_first}}[_pop_idx + 1] - _begin
        _place = {{_front}}[_pop_idx]
        _past = _turn*{{_populations}} + _pop_idx
        _spikes = <int>({{_count}}[_pop_idx] + 0.5)
        _from = _fired
        {{_resting}}[_pop_idx] -= {{_recent}}[_past]
        for _k in range(_spikes):
            _able = max(_size - {{_resting}}[_pop_idx] - _k, 1)
            _other = _place + <int>(_rand(_pop_idx)*_able)
            if _other >= _size:
                _other -= _size
            _chosen = {{_circle}}[_begin + _other]
            {{_circle}}[_begin + _other] = {{_circle}}[_begin + _place]
            {{_circle}}[_begin + _place] = _chosen
            _place += 1
            if _place == _size:
                _place = 0
            {{_spikespace}}[_fired] = _chosen
            _fired += 1
        {{_recent}}[_past] = _spikes
        {{_resting}}[_pop_idx] += _spikes
        {{_front}}[_pop_idx] = _place
        _sort(&{{_spikespace}}[0] + _from, &{{_spikespace}}[0] + _fired)
    {{_spikespace}}[_num{{_spikespace}} - 1] = _fired
    {{_slot}} = _turn + 1
    if _turn + 1 == {{_hold}}:
        {{_slot}} = 0
    {% if vector_code|trim %}
    _pop_idx = 0
    for _k in range(_fired):
        _neuron_idx = {{_spikespace}}[_k]
        _vectorisation_idx = _neuron_idx
        while _neuron_idx >= {{_first}}[_pop_idx + 1]:
            _pop_idx += 1
        {{vector_code|autoindent}}
    {% endif %}
{% endblock %}

{% block after_code %}
    {{_spikespace}}[_num{{_spikespace}} - 1] = 0
{% endblock %}
