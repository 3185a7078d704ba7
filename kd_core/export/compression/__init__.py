"""Pruning, distillation from the unpruned network, and int8, each stage measured on the test set."""
