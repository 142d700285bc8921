{# Names of the arrays and of the scalar decay factors come as template keywords #}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    {{openmp_pragma('parallel-static')}}
    {% if not openmp_pragma('with_openmp') %}
    #if defined(__clang__)
    #pragma clang loop vectorize(assume_safety)
    #elif defined(__GNUC__)
    #pragma GCC ivdep
    #elif defined(_MSC_VER)
    #pragma loop(ivdep)
    #endif
    {% endif %}
    for (int _idx = {{_start}}; _idx < {{_stop}}; _idx++)
    {
        {% if _decay_first %}
        {% for _pool, _factor in _pools %}
        {{get_array_name(variables[_pool])}}[_idx] *= {{_factor}};
        {% endfor %}
        {% endif %}
        {{get_array_name(variables['_output'])}}[_idx] = {% for _pool, _ in _pools %}{{" + " if not loop.first}}{{get_array_name(variables[_pool])}}[_idx]{% endfor %};
        {% if not _decay_first %}
        {% for _pool, _factor in _pools %}
        {{get_array_name(variables[_pool])}}[_idx] *= {{_factor}};
        {% endfor %}
        {% endif %}
    }
{% endblock %}
