"""The main job on built-in input: a small language model, its training, and its examination."""

from zeeman.demo.run import run_demo as run_demo
from zeeman.demo.training import TrainingSettings as TrainingSettings
