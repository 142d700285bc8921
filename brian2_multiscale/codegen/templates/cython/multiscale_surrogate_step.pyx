{# See the C++ template #}
{# USES_VARIABLES { N, _raw, _z, _y, _state, _weights, _lowest, _highest, _checked, _not_finite, t } #}
{# WRITES_TO_READ_ONLY_VARIABLES { _raw, _lowest, _highest } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
{% set _real = cpp_dtype(variables['_z'].dtype) %}
{% set _result = cpp_dtype(variables[_outputs[0].name].dtype) %}
cdef extern from *:
    """
    #include <algorithm>
    #include <cstdint>
{{_core}}
    static inline bool _normalise_{{codeobj_name}}(const double* given, {{_real}}* normalised, int channels,
        double rest, double factor, double* lowest, double* highest)
    {
        double low = *lowest, high = *highest;
        bool broken = false;
        for (int i = 0; i < channels; i++)
        {
            const double value = given[i];
            broken |= ms_not_finite(value);
            low = value < low ? value : low;
            high = value > high ? value : high;
            normalised[i] = {{_compression}}((value - rest)*factor);
        }
        *lowest = low;
        *highest = high;
        return broken;
    }
    static inline bool _scale_{{codeobj_name}}(const {{_real}}* normalised, {{_result}}* output, int channels,
        double rest, double scale, int nonnegative)
    {
        bool broken = false;
        for (int i = 0; i < channels; i++)
        {
            const {{_real}} value = rest + scale*normalised[i];
            broken |= ms_not_finite(value);
            output[i] = nonnegative && value < 0 ? 0 : value;
        }
        return broken;
    }
    static inline void _advance_{{codeobj_name}}(const {{_real}}* weights, const {{_real}}* z,
        {{_real}}* state, {{_real}}* y, int channels)
    {
        ms_surrogate<{{_real}}, {{_shape}}>::step(weights, z, state, y, channels);
    }
    """
    bint _normalise_{{codeobj_name}}(const double*, {{_real}}*, int, double, double, double*, double*) noexcept
    bint _scale_{{codeobj_name}}(const {{_real}}*, {{_result}}*, int, double, double, int) noexcept
    void _advance_{{codeobj_name}}(const {{_real}}*, const {{_real}}*, {{_real}}*, {{_real}}*, int) noexcept
{% endblock %}

{% block maincode %}
    cdef int _channels = N
    _vectorisation_idx = 1
    {{scalar_code|autoindent}}
    for _idx in range(_channels):
        _vectorisation_idx = _idx
        {{vector_code|autoindent}}
        {% for _input in _inputs %}
        {{_raw}}[{{loop.index0}}*_channels + _idx] = _in_{{loop.index0}}
        {% endfor %}
    {% for _input in _inputs %}
    if _normalise_{{codeobj_name}}(
            &{{_raw}}[{{loop.index0}}*_channels], &{{_z}}[{{loop.index0}}*_channels], _channels,
            {{_input.rest}}, {{_input.factor}}, &{{_lowest}}[{{loop.index0}}], &{{_highest}}[{{loop.index0}}]):
        _namespace['_not_finite']({{_quoted(_input.broken)}}, {{t}})
    {% if _strict %}
    if {{_lowest}}[{{loop.index0}}] < {{_input.low}} or {{_highest}}[{{loop.index0}}] > {{_input.high}}:
        _namespace['_checked']()
    {% endif %}
    {% endfor %}
    _advance_{{codeobj_name}}(&{{_weights}}[0], &{{_z}}[0], &{{_state}}[0], &{{_y}}[0], _channels)
    {% for _output in _outputs %}
    if _scale_{{codeobj_name}}(
            &{{_y}}[{{loop.index0}}*_channels], &{{get_array_name(variables[_output.name])}}[0], _channels,
            {{_output.rest}}, {{_output.scale}}, {{_output.nonnegative}}):
        _namespace['_not_finite']({{_quoted(_output.broken)}}, {{t}})
    {% endfor %}
{% endblock %}
