"""The mathematics of denoising: noise, schedules, samplers, guidance.

Plain functions that work on NumPy arrays and torch tensors alike, know no model and hold no state.
Adapters in `models` call them from their step; `training` uses the same ones.
"""
