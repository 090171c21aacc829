"""docs/metrics.md says what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from multipool.export.facts import DURATIONS, FIGURES

DOCS = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def snippet(word):
    """Return the example in which *word* stands."""
    [code] = [code for code in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL) if word in code]
    return code


def test_its_table_lists_every_metric_with_its_kind_and_unit():
    rows = re.findall(r"^\| `([a-z_.]+)` \| ([a-z -]+), `(.*?)` \|", DOCS, re.MULTILINE)
    kinds = {fact.name: fact.kind for fact in FIGURES}
    kinds |= {fact.name: "histogram" for fact in DURATIONS}
    assert sorted(rows) == sorted(
        (fact.name, kinds[fact.name], fact.unit) for fact in (*FIGURES, *DURATIONS)
    )


def test_the_example_for_opentelemetry_runs():
    pytest.importorskip("opentelemetry.metrics", reason='pip install "multipool[otel]"')
    names: dict = {}
    exec(snippet("otel.instrument()"), names)
    names["otel"].uninstrument()


def test_the_example_for_prometheus_runs_and_the_one_for_django(make_pool, monkeypatch):
    client = pytest.importorskip("prometheus_client", reason='pip install "multipool[prometheus]"')
    served = []
    monkeypatch.setattr(client, "start_http_server", served.append)
    monkeypatch.setattr(client, "REGISTRY", client.CollectorRegistry())
    make_pool()
    exec(snippet("start_http_server"), {})
    assert served == [9100]
    assert b'pool_name="shop"' in client.generate_latest(client.REGISTRY)

    pytest.importorskip("django", reason='pip install "multipool[django]"')
    names: dict = {}
    exec(snippet("HttpResponse"), names)
    assert names["metrics"](None)["Content-Type"] == client.CONTENT_TYPE_LATEST
