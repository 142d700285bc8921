{# Numbers of spikes, and means over the neurons of every population; what has been added
   to a population and not yet gone to the neurons is added to the mean. #}
{# USES_VARIABLES { _first, _sizes, _spikespace, n, A, dt, t } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{{_guard.program}}
{% endblock %}

{% block maincode %}
    const int _spikes = {{_spikespace}}[_num_spikespace - 1];
    int _spike = 0;
    for (int _population = 0; _population < {{_populations}}; _population++)
    {
        const int _begin = {{_first}}[_population], _end = {{_first}}[_population + 1];
        const int _earlier = _spike;
        while (_spike < _spikes && {{_spikespace}}[_spike] < _end)
            _spike++;
        {{n}}[_population] = _spike - _earlier;
        {{A}}[_population] = (_spike - _earlier)/({{_sizes}}[_population]*{{dt}});
        {% for _name in _averaged %}
        {% set _here = get_array_name(variables['_here_' + _name]) %}
        {% set _last = get_array_name(variables['_last_' + _name]) %}
        {
            double _sum = 0;
            for (int _neuron = _begin; _neuron < _end; _neuron++)
                _sum += {{get_array_name(variables[_name])}}[_neuron];
            const double _pending = {{_here}}[_population] - {{_last}}[_population];
            {{_last}}[_population] = _sum/{{_sizes}}[_population];
            {{_here}}[_population] = {{_last}}[_population] + _pending;
        }
        {% endfor %}
    }

    {% set _watched = _guard.results %}
    {% if _watched %}
    {% include 'multiscale_guard.cpp' %}
    {% endif %}
{% endblock %}
