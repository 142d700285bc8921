{# See the C++ template #}
    for _pop_idx in range(_populations):
        _begin = {{_first}}[_pop_idx]
        _end = {{_first}}[_pop_idx + 1]
        _sum = 0
        _moment = 0
        for _cell in range(_begin, _end):
            _sum += {{_density}}[_cell]
            _moment += {{_density}}[_cell]*(_end - 0.5 - _cell)
        _bin = {{_width}}[_pop_idx]
        {{_mean}}[_pop_idx] = (({{_top}}[_pop_idx] - {{_reset}}[_pop_idx])*_sum*_bin
            - _moment*_bin*_bin + {{_reset}}[_pop_idx])
        {{_saved}}[_pop_idx] = {{_mean}}[_pop_idx]
        {{_lowest}}[_pop_idx] = max({{_lowest}}[_pop_idx], {{_density}}[_begin]*_bin)
        _spikes = {{_fired}}[_pop_idx]*{{_size}}[_pop_idx]
        {{n}}[_pop_idx] = _spikes
        {{A}}[_pop_idx] = {{_fired}}[_pop_idx]/{{dt}}
        {{A_expected}}[_pop_idx] = {{_direct}}[_pop_idx]/{{dt}}
        {{event_size}}[_pop_idx] = {{_event}}[_pop_idx]
        {{_due}}[_pop_idx] += _spikes
        {{_whole}}[_pop_idx] = floor({{_due}}[_pop_idx] + 1e-6)
        {{_due}}[_pop_idx] -= {{_whole}}[_pop_idx]
        if {{_event}}[_pop_idx] > 0:
            {{_mfespace}}[_events] = _pop_idx
            _events += 1
    {{_mfespace}}[_populations] = _events
