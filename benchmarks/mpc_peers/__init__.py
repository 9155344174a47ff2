"""The peers of `benchmarks/mpc_inference.py`, each as one of three processes that are told when to run."""
