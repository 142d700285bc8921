{# What has been added to populations since their neurons were averaged goes to every
   neuron. `_moved`: name of the variable and how: "add"; "able", not to refractory
   neurons; "set", the same number for all; "shared", one number for the group. #}
{# USES_VARIABLES { _first } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    {% for _name, _how in _moved %}
    {% set _here = get_array_name(variables['_here_' + _name]) %}
    {% set _last = get_array_name(variables['_last_' + _name]) %}
    {% set _each = get_array_name(variables[_name]) %}
    for (int _population = 0; _population < {{1 if _how == "shared" else _populations}}; _population++)
    {
        const double _change = (double){{_here}}[_population] - (double){{_last}}[_population];
        if (_change == 0)
            continue;
        {{_last}}[_population] = {{_here}}[_population];
        {% if _how == "shared" %}
        {{_each}}[0] = {{_here}}[0];
        {% else %}
        const int _end = {{_first}}[_population + 1];
        for (int _neuron = {{_first}}[_population]; _neuron < _end; _neuron++)
            {% if _how == "able" %}
            if ({{get_array_name(variables['not_refractory'])}}[_neuron])
            {% endif %}
            {% if _how == "set" %}
            {{_each}}[_neuron] = {{_here}}[_population];
            {% else %}
            {{_each}}[_neuron] += _change;
            {% endif %}
        {% endif %}
    }
    {% endfor %}
{% endblock %}
