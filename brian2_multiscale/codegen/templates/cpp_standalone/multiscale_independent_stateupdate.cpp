{# Brian2's state update, with the promise that no element depends on another one:
   GCC does not believe "restrict" on local pointers, and gives up on vectorising a
   loop over more than a few arrays. #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{% include 'multiscale_vector_functions.cpp' %}
{% endblock %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    const int _N = {{constant_or_scalar('N', variables['N'])}};
    {% if openmp_pragma('with_openmp') %}
    #pragma omp parallel for simd schedule(static)
    {% else %}
    #if defined(__clang__)
    #pragma clang loop vectorize(assume_safety)
    #elif defined(__GNUC__)
    #pragma GCC ivdep
    #elif defined(_MSC_VER)
    #pragma loop(ivdep)
    #endif
    {% endif %}
    for(int _idx=0; _idx<_N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
    }
{% endblock %}
