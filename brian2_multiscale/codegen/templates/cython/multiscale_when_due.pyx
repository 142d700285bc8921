{# Brian2's stateupdate, in those steps in which the scalar code says so #}
{# ITERATE_ALL { _idx } #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}

{% block maincode %}
    # scalar code
    _vectorisation_idx = 1
    {{scalar_code|autoindent}}

    # vector code
    if _due:
        for _idx in range(N):
            _vectorisation_idx = _idx
            {{vector_code|autoindent}}
{% endblock %}
