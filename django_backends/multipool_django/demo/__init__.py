"""``multipool demo``: a small Django shop, with and without the pool, measured over HTTP.

`command` is the entry point; `show` is the whole evening in order. The processes it
starts are `stock`, `site`, `clients` and `plain`; `shop` is the Django application.
"""
