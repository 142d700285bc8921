{# One sample of a surrogate for all channels: inputs from the equations of the group,
   then the network in surrogate.h. #}
{# USES_VARIABLES { N, _raw, _z, _y, _state, _weights, _lowest, _highest, t } #}
{# WRITES_TO_READ_ONLY_VARIABLES { _raw, _lowest, _highest } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{{_core}}
#include <cstdlib>
#include <iostream>
{% endblock %}

{% block maincode %}
    {% set _real = c_data_type(variables['_z'].dtype) %}
    const size_t _vectorisation_idx = -1;
    const int _channels = {{constant_or_scalar('N', variables['N'])}};
    {{scalar_code|autoindent}}
    for (int _idx = 0; _idx < _channels; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        {% for _input in _inputs %}
        {{_raw}}[{{loop.index0}}*_channels + _idx] = _in_{{loop.index0}};
        {% endfor %}
    }
    {% for _input in _inputs %}
    {
        const int _which = {{loop.index0}};
        {{_real}} *_normalised = {{_z}} + _which*_channels;
        const double *_given = {{_raw}} + _which*_channels;
        double _low = HUGE_VAL, _high = -HUGE_VAL;
        bool _broken = false;
        for (int _idx = 0; _idx < _channels; _idx++)
        {
            const double _value = _given[_idx];
            _broken |= ms_not_finite(_value);
            _low = _value < _low ? _value : _low;
            _high = _value > _high ? _value : _high;
            _normalised[_idx] = {{_compression}}((_value - {{_input.rest}})*{{_input.factor}});
        }
        if (_broken)
        {
            std::cout.flush();
            std::cerr << {{_quoted(_input.broken)}} << 1e3*{{t}} << " ms" << std::endl;
            std::exit(1);
        }
        {{_lowest}}[_which] = std::min({{_lowest}}[_which], _low);
        {{_highest}}[_which] = std::max({{_highest}}[_which], _high);
        static bool _told = false;
        if (!_told && (_low < {{_input.low}} || _high > {{_input.high}}))
        {
            _told = true;
            std::cout.flush();
            std::cerr << {{_quoted(_input.outside)}} << (_low < {{_input.low}} ? _low : _high)
                      << {{_quoted(_input.unit)}} << ", t = " << 1e3*{{t}} << " ms" << std::endl;
            {% if _strict %}
            std::exit(1);
            {% endif %}
        }
    }
    {% endfor %}
    ms_surrogate<{{_real}}, {{_shape}}>::step({{_weights}}, {{_z}}, {{_state}}, {{_y}}, _channels);
    {% for _output in _outputs %}
    {
        const {{_real}} *_normalised = {{_y}} + {{loop.index0}}*_channels;
        bool _broken = false;
        for (int _idx = 0; _idx < _channels; _idx++)
        {
            {% set _target = get_array_name(variables[_output.name]) %}
            const {{_real}} _value = {{_output.rest}} + ({{_output.scale}})*_normalised[_idx];
            _broken |= ms_not_finite(_value);
            {% if _output.nonnegative %}
            {{_target}}[_idx] = _value < 0 ? 0 : _value;
            {% else %}
            {{_target}}[_idx] = _value;
            {% endif %}
        }
        if (_broken)
        {
            std::cout.flush();
            std::cerr << {{_quoted(_output.broken)}} << 1e3*{{t}} << " ms" << std::endl;
            std::exit(1);
        }
    }
    {% endfor %}
{% endblock %}
