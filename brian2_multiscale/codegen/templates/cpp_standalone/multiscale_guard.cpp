{# Stops the run when a variable of a population is nan or infinite; the same for numpy
   and Cython. It is a part of templates, which must give:
   * `_guard`, a `Guard` of codegen/guard.py, and `_watched`, its `drivers` or `results`
     (by {% set _watched = ... %}), whose arrays are in the code,
   * in front: C++: {{_guard.program}} in block extra_headers; Cython:
     multiscale_guard_declared.pyx in block template_support_code,
   * for numpy and Cython: the variable _not_finite (in USES_VARIABLES), made by
     ``variables.add_object("_not_finite", guard.stop)``. #}
    for (int _watch = 0; _watch < {{_guard.sizes|length}}; _watch++)
    {
        bool _broken = false;
        {% for _item in _watched %}
        _broken |= ms_not_finite({{_item.code(get_array_name, "_watch")}});
        {% endfor %}
        if (_broken)
        {
            ms_report _report;
            {% for _item in _watched %}
            _report.state({{_guard.quoted(_item.label)}}, {{_item.code(get_array_name, "_watch")}},
                          {{_guard.quoted(_item.cause)}});
            {% endfor %}
            {% for _item in _guard.parameters %}
            _report.parameter({{_guard.quoted(_item.label)}}, {{_item.code_in_program("_watch")}},
                              {{_guard.quoted(_item.unit)}});
            {% endfor %}
            {% for _text in _guard.constants %}
            _report.append(_report.suspicious, {{_guard.quoted(_text)}});
            {% endfor %}
            {% if _guard.voltage in _watched %}
            _report.faces({{_first}}[_watch + 1] - {{_first}}[_watch], {{_drift}} + {{_first}}[_watch],
                          {{_diffusion}} + {{_first}}[_watch], {{_top}}[_watch], {{_width}}[_watch],
                          {{_guard.quoted(_guard.voltage.label)}}, {{_guard.quoted(_guard.voltage.unit)}});
            {% endif %}
            const int _sizes_of_all[] = { {{_guard.sizes|join(', ')}} };
            _report.stop({{_guard.quoted(_guard.name)}}, _watch, _sizes_of_all[_watch],
                         {{_guard.time.code_in_program("0")}},
                         {{_guard.quoted(_guard.heading)}});
        }
    }
