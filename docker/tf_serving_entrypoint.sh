#!/bin/sh
# What the image of TensorFlow Serving starts: one model, of MODEL_BASE_PATH and MODEL_NAME, on its
# usual ports. More arguments go to the server; the last of two equal flags counts.
exec tensorflow_model_server --port=8500 --rest_api_port=8501 \
    "--model_name=${MODEL_NAME:-model}" \
    "--model_base_path=${MODEL_BASE_PATH:-/models}/${MODEL_NAME:-model}" \
    "$@"
