{# One time step of mesoscopic populations. Four blocks of code: "before" and "after" once
   per population, "active" and "refractory" once per cohort, with sums over cohorts.
   Cohorts of age K, K-1, ... follow one another in the ring from the oldest one on. #}
{# USES_VARIABLES { N, _head } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{{_guard.program}}
// glibc has a vector form of exp, but shows it to programs without infinities only
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
extern "C" __attribute__((__simd__("notinbranch"))) double exp(double) noexcept;
#endif
{% endblock %}

{% block maincode %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code['before']|autoindent}}
    {{scalar_code['edge']|autoindent}}
    const int _length = {{_cohorts_per_population - 1}};
    const int _first = {{_head}};
    for (int _pop_idx = 0; _pop_idx < {{constant_or_scalar('N', variables['N'])}}; _pop_idx++)
    {
        const size_t _vectorisation_idx = _pop_idx;
        const int _base = _pop_idx*(_length + 1), _pool_idx = _base + _length;
        const int _old_idx = _base + _first;
        const int _newest_idx = _base + (_first + _length - 1) % _length;
        {{vector_code['before']|autoindent}}
        int _age = (int)_refractory_steps;
        _age = _age < 1 ? 1 : (_age < _length ? _age : _length);
        const int _edge_idx = _base + (_first + _length - _age) % _length;
        {{vector_code['edge']|autoindent}}
        {% for _name in _sum_names %}
        double _sum_{{_name}} = 0;
        {% endfor %}
        int _silent = (int)_refractory_steps - 1;
        _silent = _silent < 0 ? 0 : (_silent < _length ? _silent : _length);
        const int _last = _first + _length - _silent;
        const int _wrapped = _last > _length ? _last - _length : 0;
        {% for _block in ("active", "refractory") %}
        {
        {{scalar_code[_block]|autoindent}}
        {% if _block == "active" %}
        const int _bounds[3][2] = {
            {_base + _first, _base + (_last < _length ? _last : _length)},
            {_base, _base + _wrapped},
            {_pool_idx, _pool_idx + 1}};
        for (int _part = 0; _part < 3; _part++)
        {% else %}
        const int _bounds[2][2] = {
            {_base + _last, _base + _length}, {_base + _wrapped, _base + _first}};
        for (int _part = 0; _part < 2; _part++)
        {% endif %}
        {
            const int _from = _bounds[_part][0], _to = _bounds[_part][1];
            {% if _block == "active" %}
            {% for _name in _lazy %}
            double _part_{{_name}} = 0;
            {% endfor %}
            {% endif %}
            #if defined(__clang__)
            #pragma clang loop vectorize(assume_safety)
            #elif defined(__GNUC__)
            #pragma GCC ivdep
            #elif defined(_MSC_VER)
            #pragma loop(ivdep)
            #endif
            for (int _idx = _from; _idx < _to; _idx++)
            {
                const size_t _vectorisation_idx = _idx;
                {{vector_code[_block]|autoindent}}
                {% for _name in _sums[_block] %}
                {{"_part_" if _name in _lazy else "_sum_"}}{{_name}} += _add_{{_name}};
                {% endfor %}
            }
            {% if _block == "active" %}
            {% for _name, (_last_lap, _this_lap, _pool) in _lazy.items() %}
            _sum_{{_name}} += _part_{{_name}}*(
                _part == 0 ? {{_last_lap}} : (_part == 1 ? {{_this_lap}} : {{_pool}}));
            {% endfor %}
            {% endif %}
        }
        }
        {% endfor %}
        {
        {{scalar_code['after']|autoindent}}
        {{vector_code['after']|autoindent}}
        }
        {% for _name, _slopes in _scaled.items() %}
        {% set _scale = get_array_name(variables['_this' + _name]) + "[_pop_idx]" %}
        if ({{_scale}} < 1e-100)
        {
            for (int _idx = _base; _idx < _pool_idx; _idx++)
            {
                {% for _slope, _scale_slope in _slopes %}
                {{get_array_name(variables[_slope])}}[_idx] *= {{_scale}};
                {% if _scale_slope %}
                {{get_array_name(variables[_slope])}}[_idx] +=
                    {{get_array_name(variables[_name])}}[_idx]
                    * {{get_array_name(variables[_scale_slope])}}[_pop_idx];
                {% endif %}
                {% endfor %}
                {{get_array_name(variables[_name])}}[_idx] *= {{_scale}};
            }
            {{_scale}} = 1;
            {% for _, _scale_slope in _slopes if _scale_slope %}
            {{get_array_name(variables[_scale_slope])}}[_pop_idx] = 0;
            {% endfor %}
        }
        {% endfor %}
    }
    {{_head}} = (_first + 1) % _length;

    {% set _watched = _guard.results %}
    {% include 'multiscale_guard.cpp' %}
{% endblock %}
