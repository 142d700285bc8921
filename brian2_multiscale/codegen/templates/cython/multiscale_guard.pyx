{# See the C++ template #}
    for _watch in range({{_guard.sizes|length}}):
        {% for _item in _watched %}
        {{"if" if loop.first else "   "}} {{"" if loop.first else "or "}}ms_not_finite({{_item.code(get_array_name, "_watch")}}){{":" if loop.last else " \\"}}
        {% endfor %}
            _namespace["_not_finite"](_watch)
