{# Which neurons of a population fire. The neurons of each population lie on a circle in
   the order of their last spike; the first one and another one that has not fired
   recently are exchanged, and the circle turns by one: what has just fired is last. #}
{# USES_VARIABLES { _spikespace, _first, _circle, _front, _resting, _recent, _slot,
                    _count } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    const int _turn = {{_slot}};
    int _fired = 0;
    for (int _pop_idx = 0; _pop_idx < {{_populations}}; _pop_idx++)
    {
        const int _begin = {{_first}}[_pop_idx];
        const int _size = {{_first}}[_pop_idx + 1] - _begin;
        int32_t* _neurons = {{_circle}} + _begin;
        int _place = {{_front}}[_pop_idx];
        int32_t* _past = {{_recent}} + _turn*{{_populations}} + _pop_idx;
        const int _spikes = (int)({{_count}}[_pop_idx] + 0.5), _from = _fired;
        {{_resting}}[_pop_idx] -= *_past;
        for (int _k = 0; _k < _spikes; _k++)
        {
            int _able = _size - {{_resting}}[_pop_idx] - _k;
            _able = _able < 1 ? 1 : _able;
            int _other = _place + (int)(_rand(_pop_idx)*_able);
            _other = _other < _size ? _other : _other - _size;
            const int32_t _chosen = _neurons[_other];
            _neurons[_other] = _neurons[_place];
            _neurons[_place] = _chosen;
            _place = _place + 1 < _size ? _place + 1 : 0;
            {{_spikespace}}[_fired++] = _chosen;
        }
        *_past = _spikes;
        {{_resting}}[_pop_idx] += _spikes;
        {{_front}}[_pop_idx] = _place;
        std::sort({{_spikespace}} + _from, {{_spikespace}} + _fired);
    }
    {{_spikespace}}[_num_spikespace - 1] = _fired;
    {{_slot}} = (_turn + 1) % {{_hold}};
    {% if vector_code|trim %}
    int _pop_idx = 0;
    for (int _k = 0; _k < _fired; _k++)
    {
        const int _neuron_idx = {{_spikespace}}[_k];
        const size_t _vectorisation_idx = _neuron_idx;
        while (_neuron_idx >= {{_first}}[_pop_idx + 1])
            _pop_idx++;
        {{vector_code|autoindent}}
    }
    {% endif %}
{% endblock %}

{% block extra_headers %}
#include <algorithm>
{% endblock %}

{% block after_code %}
    {{_spikespace}}[_num_spikespace - 1] = 0;
{% endblock %}
