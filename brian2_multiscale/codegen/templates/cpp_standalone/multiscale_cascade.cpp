{# The thresholder of a group with a cascade: who crosses the threshold by itself or
   because of the spikes of others, and the kicks that everybody gets from them. #}
{# USES_VARIABLES { N, _spikespace, _first, _kick, _reach, _shift } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{{_core}}
{% endblock %}

{% block maincode %}
    {% set _v = get_array_name(variables[_variable]) %}
    double* _gaps = ms_cascade_gaps(N);
    size_t _direct = 0;
    {
        const int _vectorisation_idx = -1;
        {{scalar_code['neuron']|autoindent}}
        for (size_t _idx = 0; _idx < N; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            {{vector_code['neuron']|autoindent}}
            {% if _uses_refractory %}
            const double _otherwise = {{not_refractory}}[_idx] ? _gap : ms_cascade_never;
            {% else %}
            const double _otherwise = _gap;
            {% endif %}
            _gaps[_idx] = _cond ? ms_cascade_fired : _otherwise;
            _direct += _cond ? 1 : 0;
        }
    }
    size_t _count = 0;
    if (_direct > 0)
    {
        {
            const int _vectorisation_idx = -1;
            {{scalar_code['pair']|autoindent}}
            for (int _pair_idx = 0; _pair_idx < {{_populations*_populations}}; _pair_idx++)
            {
                const size_t _vectorisation_idx = _pair_idx;
                {{vector_code['pair']|autoindent}}
            }
        }
        ms_coupled_cascade({{_populations}}, {{_first}}, _gaps, {{_kick}},
                           {{_inclusive|lower}}, {{_reach}}, {{_shift}});
        for (int _population = 0; _population < {{_populations}}; _population++)
        {
            const double _limit = {{_reach}}[_population], _moved = {{_shift}}[_population];
            for (int _idx = {{_first}}[_population]; _idx < {{_first}}[_population + 1]; _idx++)
            {
                {% if _uses_refractory %}
                {% if _unless_refractory %}
                if ({{not_refractory}}[_idx])
                {% endif %}
                {% endif %}
                    {{_v}}[_idx] += _moved;
                if (_gaps[_idx] {{"<=" if _inclusive else "<"}} _limit)
                {
                    {{_spikespace}}[_count++] = _idx;
                    {% if _uses_refractory %}
                    {{not_refractory}}[_idx] = false;
                    {{lastspike}}[_idx] = {{t}};
                    {% endif %}
                }
            }
        }
    }
    {{_spikespace}}[N] = _count;
{% endblock %}

{% block after_code %}
    {{_spikespace}}[N] = 0;
{% endblock %}
