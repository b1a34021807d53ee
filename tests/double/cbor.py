"""Smithy RPC v2 CBOR, the only protocol that aws-sdk-cloudwatch for Rust speaks: turned into the JSON that moto speaks,
and back. botocore's own reader and writer of the format do the bytes."""

import datetime
import gzip
import io
import json
import re

import botocore.session
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer

PATH = re.compile(r"^/service/(?P<service>[^/]+)/operation/(?P<operation>[^/]+)$")
# Names on the wire, and botocore's.
SERVICES = {"GraniteServiceVersion20100801": "cloudwatch"}

_reader, _writer = RpcV2CBORParser(), RpcV2CBORSerializer()


def decode(data):
    """One item: maps, lists, strings, numbers, instants."""
    return _reader.parse_data_item(_reader.get_peekable_stream_from_bytes(data)) if data else {}


def encode(value, shape):
    """A value of a shape of the service's model."""
    out = bytearray()
    _writer._serialize_data_item(out, value, shape)
    return bytes(out)


def encode_error(kind, message):
    """The map of an error answer."""
    out = bytearray(b"\xa2")
    for text in ("__type", kind, "message", message):
        _writer._serialize_type_string(out, text, None, None)
    return bytes(out)


def to_json(value):
    """Instants as JSON has them."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(f"no JSON for {type(value)}")


class CborGate:
    """In front of the application: translates those requests, lets all others pass."""

    def __init__(self, application):
        self.application = application
        self._models = {}

    def _model(self, service):
        if service not in self._models:
            self._models[service] = botocore.session.get_session().get_service_model(service)
        return self._models[service]

    def __call__(self, environ, start_response):
        target = PATH.match(environ.get("PATH_INFO", ""))
        if environ.get("HTTP_SMITHY_PROTOCOL") != "rpc-v2-cbor" or not target or target["service"] not in SERVICES:
            return self.application(environ, start_response)
        model = self._model(SERVICES[target["service"]])
        status, headers, body = self._call_as_json(environ, target)
        answer = json.loads(body) if body.strip() else {}
        if int(status.split()[0]) < 400:
            data = encode(answer, model.operation_model(target["operation"]).output_shape) if answer else b"\xa0"
        else:
            code = (answer.get("__type") or "InternalFailure").split("#")[-1]
            data = encode_error(
                f"com.amazonaws.{model.service_name}#{code}", answer.get("message") or answer.get("Message") or ""
            )
        kept = [(k, v) for k, v in headers if k.lower() in ("x-amzn-requestid", "x-amzn-query-error")]
        start_response(
            status,
            [
                ("Content-Type", "application/cbor"),
                ("smithy-protocol", "rpc-v2-cbor"),
                ("Content-Length", str(len(data))),
                *kept,
            ],
        )
        return [data]

    def _call_as_json(self, environ, target):
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
            raw = gzip.decompress(raw)  # the SDK does that to large PutMetricData bodies
        body = json.dumps(decode(raw), default=to_json).encode()
        translated = {
            **{k: v for k, v in environ.items() if k not in ("HTTP_SMITHY_PROTOCOL", "HTTP_CONTENT_ENCODING")},
            "PATH_INFO": "/",
            "RAW_URI": "/",
            "REQUEST_URI": "/",
            "CONTENT_TYPE": "application/x-amz-json-1.0",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_ACCEPT": "application/json",
            "HTTP_X_AMZ_TARGET": f"{target['service']}.{target['operation']}",
            "wsgi.input": io.BytesIO(body),
        }
        seen = {}

        def keep(status, headers, _=None):
            seen.update(status=status, headers=headers)

        answer = b"".join(self.application(translated, keep))
        return seen["status"], seen["headers"], answer
