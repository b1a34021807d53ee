"""An independent witness: asks the double by boto3, past the proxy and past lifeboat. One JSON request a line on
stdin, one answer a line on stdout; it ends when stdin does.

    {"account", "call": [SERVICE, REGION, OPERATION, {PARAMETERS}]}   -> {"ok": the answer}
    {"account", "build": {…}}                                        -> {"ok": what `build.world` gives}
"""

import functools
import json
import sys
import traceback

import boto3
from botocore.config import Config
from build import world


class Double:
    """The double, as one account sees it. What its calls start has happened when they are answered."""

    def __init__(self, url, account):
        self.url, self.account = url, account

    def client(self, service, region):
        """A client; made once, whatever the account: making one takes longer than a call."""
        made = client(self.url, service, region)
        CURRENT["account"] = self.account
        return made


CURRENT = {}


def mark(request, **_):
    """Says whose call it is."""
    request.headers.add_header("x-moto-account-id", CURRENT["account"])
    request.headers.add_header("x-double-slowness", "0")


@functools.cache
def client(url, service, region):
    """Without retries: what the double refuses once it refuses always."""
    config = Config(retries={"total_max_attempts": 1})
    made = boto3.client(service, region_name=region, endpoint_url=url, config=config)
    made.meta.events.register("before-sign", mark)
    return made


def answer(double, request):
    """What came of a request."""
    if "build" in request:
        return world(double, **request["build"])
    service, region, operation, parameters = request["call"]
    told = getattr(double.client(service, region), operation)(**parameters)
    told.pop("ResponseMetadata", None)
    return told


def main():
    url = sys.argv[1]
    for line in sys.stdin:
        request = json.loads(line)
        try:
            told = {"ok": answer(Double(url, request["account"]), request)}
        except Exception:
            told = {"error": traceback.format_exc()}
        print(json.dumps(told, default=lambda t: t.isoformat()), flush=True)


main()
