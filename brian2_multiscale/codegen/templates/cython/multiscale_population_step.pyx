{# One time step of mesoscopic populations: see the C++ template #}
{# USES_VARIABLES { N, _head, _not_finite, _divided_by_zero } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
{% include 'multiscale_guard_declared.pyx' %}
{% endblock %}

{% block maincode %}
    cdef int _cohort
    cdef int _length = {{_cohorts_per_population - 1}}
    cdef int _first = {{_head}}
    cdef int _base, _age, _silent, _last, _wrapped, _part
    cdef int _from[3]
    cdef int _to[3]
    {% for _name in _lazy %}
    cdef double _part_{{_name}}
    {% endfor %}
    _vectorisation_idx = 1
    {% for _block in ("before", "edge", "active", "refractory", "after") %}
    {{scalar_code[_block]|autoindent}}
    {% endfor %}
    for _pop_idx in range(N):
        _vectorisation_idx = _pop_idx
        _base = _pop_idx*(_length + 1)
        _pool_idx = _base + _length
        _old_idx = _base + _first
        _newest_idx = _base + _first - 1
        if _first == 0:
            _newest_idx = _base + _length - 1
        {{vector_code['before']|autoindent}}
        _age = min(max(<int>_refractory_steps, 1), _length)
        _edge_idx = _base + (_first + _length - _age) % _length
        {{vector_code['edge']|autoindent}}
        {% for _name in _sum_names %}
        _sum_{{_name}} = 0
        {% endfor %}
        _silent = min(max(<int>_refractory_steps - 1, 0), _length)
        _last = _first + _length - _silent
        _wrapped = max(_last - _length, 0)
        {% for _block in ("active", "refractory") %}
        {% if _block == "active" %}
        _from[0], _to[0] = _base + _first, _base + min(_last, _length)
        _from[1], _to[1] = _base, _base + _wrapped
        _from[2], _to[2] = _pool_idx, _pool_idx + 1
        for _part in range(3):
        {% else %}
        _from[0], _to[0] = _base + _last, _base + _length
        _from[1], _to[1] = _base + _wrapped, _base + _first
        for _part in range(2):
        {% endif %}
            {% if _block == "active" %}
            {% for _name in _lazy %}
            _part_{{_name}} = 0
            {% endfor %}
            {% endif %}
            for _cohort in range(_from[_part], _to[_part]):
                _idx = _cohort
                _vectorisation_idx = _idx
                {{vector_code[_block]|autoindent}}
                {% for _name in _sums[_block] %}
                {{"_part_" if _name in _lazy else "_sum_"}}{{_name}} += _add_{{_name}}
                {% endfor %}
            {% if _block == "active" %}
            {% for _name, (_last_lap, _this_lap, _pool) in _lazy.items() %}
            if _part == 0:
                _sum_{{_name}} += _part_{{_name}}*{{_last_lap}}
            elif _part == 1:
                _sum_{{_name}} += _part_{{_name}}*{{_this_lap}}
            else:
                _sum_{{_name}} += _part_{{_name}}*{{_pool}}
            {% endfor %}
            {% endif %}
        {% endfor %}
        _vectorisation_idx = _pop_idx
        {{vector_code['after']|autoindent}}
        {% for _name, _slopes in _scaled.items() %}
        {% set _scale = get_array_name(variables['_this' + _name]) + "[_pop_idx]" %}
        if {{_scale}} < 1e-100:
            for _cohort in range(_base, _pool_idx):
                {% for _slope, _scale_slope in _slopes %}
                {{get_array_name(variables[_slope])}}[_cohort] *= {{_scale}}
                {% if _scale_slope %}
                {{get_array_name(variables[_slope])}}[_cohort] += {{get_array_name(variables[_name])}}[_cohort]*{{get_array_name(variables[_scale_slope])}}[_pop_idx]
                {% endif %}
                {% endfor %}
                {{get_array_name(variables[_name])}}[_cohort] *= {{_scale}}
            {{_scale}} = 1
            {% for _, _scale_slope in _slopes if _scale_slope %}
            {{get_array_name(variables[_scale_slope])}}[_pop_idx] = 0
            {% endfor %}
        {% endfor %}
    {{_head}} = _first + 1
    if _first + 1 == _length:
        {{_head}} = 0

    {% set _watched = _guard.results %}
    {% include 'multiscale_guard.pyx' %}
{% endblock %}
