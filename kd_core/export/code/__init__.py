"""Runs and networks as code of plain PyTorch."""

from kd_core.export.code.data import save_data
from kd_core.export.code.script import Script, left_out, model_code, notebook, script, sentences_on_changes

__all__ = ["Script", "left_out", "model_code", "notebook", "save_data", "script", "sentences_on_changes"]
