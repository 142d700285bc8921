{# See the C++ template #}
    for _pop_idx in range(_populations):
        _vectorisation_idx = _pop_idx
        {{vector_code['population']|autoindent}}
        _begin = {{_first}}[_pop_idx]
        _end = {{_first}}[_pop_idx + 1]
        _bin = {{_width}}[_pop_idx]
        _above = {{_top}}[_pop_idx]
        for _cell in range(_begin, _end):
            _cell_idx = _cell
            _vectorisation_idx = _cell_idx
            _face = _above - (_end - 1 - _cell)*_bin
            {{vector_code['face']|autoindent}}
            {{_drift}}[_cell_idx] = _drift_here
            {{_diffusion}}[_cell_idx] = _diffusion_here
