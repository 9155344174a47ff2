"""Serving models and watching them: MLflow keeps runs and models, our service answers, Prometheus counts.

`tracking` starts MLflow's server, `runs` logs to it, `model_server` is MLflow's own way to serve a model;
`deployment` starts ours, whose parts are `schema`, `champion`, `api` and `monitoring`. Leaves out logins and
TLS, which a reverse proxy adds, and what a trained model gives away of its data.
"""
