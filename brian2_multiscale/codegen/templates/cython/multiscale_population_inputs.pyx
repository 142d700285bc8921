{# See the C++ template #}
{# USES_VARIABLES { _first } #}
{% extends 'common_group.pyx' %}

{% block maincode %}
    cdef int _population, _neuron
    cdef double _change
    {% for _name, _how in _moved %}
    {% set _here = get_array_name(variables['_here_' + _name]) %}
    {% set _last = get_array_name(variables['_last_' + _name]) %}
    {% set _each = get_array_name(variables[_name]) %}
    for _population in range({{1 if _how == "shared" else _populations}}):
        _change = <double>{{_here}}[_population] - <double>{{_last}}[_population]
        if _change == 0:
            continue
        {{_last}}[_population] = {{_here}}[_population]
        {% if _how == "shared" %}
        {{_each}}[0] = {{_here}}[0]
        {% else %}
        for _neuron in range({{_first}}[_population], {{_first}}[_population + 1]):
            {% if _how == "able" %}
            if {{get_array_name(variables['not_refractory'])}}[_neuron]:
                {{_each}}[_neuron] += _change
            {% elif _how == "set" %}
            {{_each}}[_neuron] = <{{cpp_dtype(variables[_name].dtype)}}>{{_here}}[_population]
            {% else %}
            {{_each}}[_neuron] += _change
            {% endif %}
        {% endif %}
    {% endfor %}
{% endblock %}
