"""The pools' figures for others' monitoring: OpenTelemetry (`otel`), Prometheus (`prometheus`).

Both tell the same facts (`facts`), under the names of OpenTelemetry's semantic conventions.
Nothing here is imported unless it is used, and nothing keeps a pool alive.
"""
