#!/bin/sh
# Like the image of TensorFlow Serving, this serves the model of MODEL_BASE_PATH and MODEL_NAME on
# the usual ports. Further arguments go to the server. If a flag is given twice, the last one counts.
exec tensorflow_model_server --port=8500 --rest_api_port=8501 \
    "--model_name=${MODEL_NAME:-model}" \
    "--model_base_path=${MODEL_BASE_PATH:-/models}/${MODEL_NAME:-model}" \
    "$@"
