"""Serving models and watching them: MLflow keeps runs and models, a FastAPI service answers, Prometheus counts.

`tracking` starts MLflow's server, `runs` logs to it and reads back, `model_server` is MLflow's own way to
serve a model; `deployment` starts ours, whose parts are `schema`, `champion`, `api` and `monitoring`. Leaves
out who may log in and TLS, which a reverse proxy adds, and what a trained model gives away of its data.
"""
