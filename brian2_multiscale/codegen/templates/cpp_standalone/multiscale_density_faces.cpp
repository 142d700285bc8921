{# Drift and diffusion at the upper end of every bin; part of the templates of densities #}
    for (int _pop_idx = 0; _pop_idx < _populations; _pop_idx++)
    {
        const size_t _vectorisation_idx = _pop_idx;
        {{vector_code['population']|autoindent}}
        const int _end = {{_first}}[_pop_idx + 1];
        const double _bin = {{_width}}[_pop_idx], _above = {{_top}}[_pop_idx];
        for (int _cell_idx = {{_first}}[_pop_idx]; _cell_idx < _end; _cell_idx++)
        {
            const size_t _vectorisation_idx = _cell_idx;
            const double _face = _above - (_end - 1 - _cell_idx)*_bin;
            {{vector_code['face']|autoindent}}
            {{_drift}}[_cell_idx] = _drift_here;
            {{_diffusion}}[_cell_idx] = _diffusion_here;
        }
    }
