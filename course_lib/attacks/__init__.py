"""Attacks on trained models, and what they measure: who was in the training data, what a class looks like,
how little it takes to fool a model, and how much of a promised privacy is really there.

Leaves out: attacks on anything but a model's own answers and weights. Use them on models of your own, or of
somebody who asked you to.
"""
