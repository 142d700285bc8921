{# Counts of spikes go into a ring ("push"); every pair of populations takes out what its
   delay says ("pair"). #}
{# USES_VARIABLES { N, _now, _delay_steps, _pre_idx } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    const size_t _vectorisation_idx = -1;
    const int _position = {{_now}};
    {
        {{scalar_code['push']|autoindent}}
        for (int _source_idx = 0; _source_idx < {{_sources}}; _source_idx++)
        {
            const size_t _vectorisation_idx = _source_idx;
            const int _push_idx = _position*{{_sources}} + _source_idx;
            {{vector_code['push']|autoindent}}
        }
    }
    {
        {{scalar_code['pair']|autoindent}}
        for (int _idx = 0; _idx < N; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            int _place = _position - {{_delay_steps}}[_idx];
            _place = _place < 0 ? _place + {{_ring_length}} : _place;
            const int _ring_idx = _place*{{_sources}} + {{_pre_idx}}[_idx];
            {{vector_code['pair']|autoindent}}
        }
    }
    {{_now}} = (_position + 1) % {{_ring_length}};
{% endblock %}
