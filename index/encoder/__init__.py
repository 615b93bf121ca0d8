"""The model, compiled for the machines that embed.

Exported to OpenVINO, quantized to 8 bits where the lists stay the same; each step is checked or refused.
"""
