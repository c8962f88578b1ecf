"""The content types of requests and answers of PAI-EAS, and the codec of each."""

from __future__ import annotations

from eas_processor.frontends.http.head import JSON_TYPE
from eas_processor.link.frames import EAS_JSON

CODECS = {JSON_TYPE: EAS_JSON}
"""The codec of a body by its `Content-Type`; a body of any other type is a `PredictRequest`."""

TYPES = {codec: content_type for content_type, codec in CODECS.items()}
"""The `Content-Type` of an answer by its codec."""
