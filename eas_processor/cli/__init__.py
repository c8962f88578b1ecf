"""The commands `eascmd` and `tensorflow_model_server`."""
