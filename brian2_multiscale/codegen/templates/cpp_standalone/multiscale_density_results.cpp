{# What others see of a step; part of the templates of densities #}
    int _events = 0;
    for (int _pop_idx = 0; _pop_idx < _populations; _pop_idx++)
    {
        const int _begin = {{_first}}[_pop_idx], _end = {{_first}}[_pop_idx + 1];
        double _sum = 0, _moment = 0;
        for (int _cell_idx = _begin; _cell_idx < _end; _cell_idx++)
        {
            _sum += {{_density}}[_cell_idx];
            _moment += {{_density}}[_cell_idx]*(_end - 0.5 - _cell_idx);
        }
        const double _bin = {{_width}}[_pop_idx];
        // Refractory neurons are at the reset
        {{_mean}}[_pop_idx] = ({{_top}}[_pop_idx] - {{_reset}}[_pop_idx])*_sum*_bin
            - _moment*_bin*_bin + {{_reset}}[_pop_idx];
        {{_saved}}[_pop_idx] = {{_mean}}[_pop_idx];
        {{_lowest}}[_pop_idx] = std::max({{_lowest}}[_pop_idx], {{_density}}[_begin]*_bin);
        const double _count = {{_fired}}[_pop_idx]*{{_size}}[_pop_idx];
        {{n}}[_pop_idx] = _count;
        {{A}}[_pop_idx] = {{_fired}}[_pop_idx]/{{dt}};
        {{A_expected}}[_pop_idx] = {{_direct}}[_pop_idx]/{{dt}};
        {{event_size}}[_pop_idx] = {{_event}}[_pop_idx];
        {{_due}}[_pop_idx] += _count;
        {{_whole}}[_pop_idx] = floor({{_due}}[_pop_idx] + 1e-6);
        {{_due}}[_pop_idx] -= {{_whole}}[_pop_idx];
        if ({{_event}}[_pop_idx] > 0)
            {{_mfespace}}[_events++] = _pop_idx;
    }
    {{_mfespace}}[_populations] = _events;
