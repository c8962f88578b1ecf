"""
Classify picture files with one request that has the bytes of all files.

    EAS_TOKEN=... python classify.py picture.png ... [--server http://127.0.0.1:8080]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from eas_prediction import PredictClient, TFRequest


def main() -> None:
    """Print the label and the score of each picture."""
    parser = argparse.ArgumentParser(description="Classify pictures of shapes.")
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
    parser.add_argument("--server", default="http://127.0.0.1:8080", help="default: %(default)s")
    options = parser.parse_args()
    client = PredictClient(options.server, "shapes")
    client.set_token(os.environ.get("EAS_TOKEN", ""))
    client.init()
    files = [path.read_bytes() for path in options.pictures]
    request = TFRequest("serving_default")
    request.add_feed("image", [len(files)], TFRequest.DT_STRING, files)
    response = client.predict(request)
    labels, scores = response.numpy("label"), response.numpy("scores")
    for path, label, row in zip(options.pictures, labels, scores, strict=True):
        print(f"{path.name}: {label.decode()}, score {row.max():.3f}")
    client.destroy()


if __name__ == "__main__":
    main()
