{# See the C++ template #}
{# USES_VARIABLES { N, _now, _delay_steps, _pre_idx } #}
{% extends 'common_group.pyx' %}

{% block maincode %}
    cdef int _position = {{_now}}
    cdef int _place
    _vectorisation_idx = 1
    {{scalar_code['push']|autoindent}}
    {{scalar_code['pair']|autoindent}}
    for _source_idx in range({{_sources}}):
        _vectorisation_idx = _source_idx
        _push_idx = _position*{{_sources}} + _source_idx
        {{vector_code['push']|autoindent}}
    for _idx in range(N):
        _vectorisation_idx = _idx
        _place = _position - {{_delay_steps}}[_idx]
        if _place < 0:
            _place += {{_ring_length}}
        _ring_idx = _place*{{_sources}} + {{_pre_idx}}[_idx]
        {{vector_code['pair']|autoindent}}
    {{_now}} = _position + 1
    if _position + 1 == {{_ring_length}}:
        {{_now}} = 0
{% endblock %}
