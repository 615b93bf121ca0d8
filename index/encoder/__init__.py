"""Compile the embedding model for the machines that run it.

The model is exported to OpenVINO, and quantized to 8 bits where the lists stay the same. Each step is verified, and
rejected if it fails.
"""
