{# Names of the arrays and of the scalar decay factors come as template keywords #}
{# USES_VARIABLES { N } #}
{% extends 'common_group.pyx' %}

{# C++ because Cython cannot say that arrays do not overlap, without which this
   loop is not vectorised #}
{% block template_support_code %}
{% set _float = cpp_dtype(variables['_output'].dtype) %}
cdef extern from *:
    """
    static inline void _advance_{{codeobj_name}}({{_float}}* __restrict sum
        {%- for _pool, _factor in _pools %}, {{_float}}* __restrict {{_pool}}, {{_float}} {{_factor}}{% endfor %})
    {
        for (int i = {{_start}}; i < {{_stop}}; i++)
        {
            {% if _decay_first %}
            {% for _pool, _factor in _pools %}
            {{_pool}}[i] *= {{_factor}};
            {% endfor %}
            {% endif %}
            sum[i] = {% for _pool, _ in _pools %}{{" + " if not loop.first}}{{_pool}}[i]{% endfor %};
            {% if not _decay_first %}
            {% for _pool, _factor in _pools %}
            {{_pool}}[i] *= {{_factor}};
            {% endfor %}
            {% endif %}
        }
    }
    """
    void _advance_{{codeobj_name}}({{_float}}*{% for _ in _pools %}, {{_float}}*, {{_float}}{% endfor %}) noexcept
{% endblock %}

{% block maincode %}
    # scalar code
    _vectorisation_idx = 1
    {{scalar_code|autoindent}}

    _advance_{{codeobj_name}}({{get_array_name(variables['_output'])}}
        {%- for _pool, _factor in _pools %}, {{get_array_name(variables[_pool])}}, {{_factor}}{% endfor %})
{% endblock %}
