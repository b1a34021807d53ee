"""SNS: envelopes signed as AWS signs them, subscriptions of web addresses that must be confirmed."""

import base64
import datetime
import json
import secrets
import threading
import time

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from moto.core.responses import ActionResult
from moto.core.utils import iso_8601_datetime_with_milliseconds
from moto.moto_api._internal import mock_random
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend, Subscription
from moto.sns.responses import SNSResponse
from moto.sqs.exceptions import SQSException
from moto.sqs.models import sqs_backends
from moto.utilities.arns import parse_arn

from .patching import around, replace
from .world import WORLD

WEB = ("http", "https")
# What is signed of an envelope, by its type; a subject only where there is one.
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}
# Nominal seconds before each further try to deliver to an address that does not take it.
TRIES = (0, 0, 0, 1, 1)


class Signer:
    """The key of this double, and the certificate that says so."""

    def __init__(self):
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365))
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.path = f"/SimpleNotificationService-{secrets.token_hex(16)}.pem"

    def sign(self, text, version):
        """A signature of that version."""
        return base64.b64encode(self._key.sign(text.encode(), padding.PKCS1v15(), HASHES[version]())).decode()


SIGNER = Signer()


class CertificateGate:
    """In front of the application: the certificate, which anybody may read; AWS has it at a host of the Region."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        if environ.get("PATH_INFO") != SIGNER.path:
            return self.application(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/x-pem-file"), ("Content-Length", str(len(SIGNER.pem)))])
        return [SIGNER.pem]


def envelope(subscription, kind, message_id, message, **more):
    """An envelope in AWS's order of keys, signed in the version that the topic is set to."""
    topic, region = subscription.topic, subscription.topic.sns_backend.region_name
    version = getattr(topic, "signature_version", "1")
    said = {
        "Type": kind,
        "MessageId": message_id,
        "Token": more.get("Token"),
        "TopicArn": topic.arn,
        "Subject": more.get("Subject"),
        "Message": message,
        "SubscribeURL": more.get("SubscribeURL"),
        "Timestamp": iso_8601_datetime_with_milliseconds(),
    }
    said = {key: value for key, value in said.items() if value is not None}
    text = "".join(f"{key}\n{said[key]}\n" for key in SIGNED[kind] if key in said)
    host = f"https://sns.{region}.amazonaws.com"
    said |= {
        "SignatureVersion": version,
        "Signature": SIGNER.sign(text, version),
        "SigningCertURL": host + SIGNER.path,
    }
    if kind == "Notification":
        said["UnsubscribeURL"] = f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"
    if more.get("MessageAttributes"):
        said["MessageAttributes"] = more["MessageAttributes"]
    return json.dumps(said, indent=2, separators=(",", " : "))


@around(Subscription, "publish")
def deliver(original, self, message, message_id, subject=None, message_attributes=None, **more):
    """To queues of any account, and to web addresses that were confirmed; a filter decides as in moto."""
    if self.protocol not in ("sqs", *WEB):
        return original(self, message, message_id, subject, message_attributes, **more)
    filters = self._filter_policy_matcher
    if filters is not None and not filters.matches(message_attributes, message):
        return None
    if more.get("message_structure") == "json":
        message = self._parse_message_structure(message, self.protocol)
    raw = bool(self.attributes.get("RawMessageDelivery"))
    body = message if raw else envelope(
        self, "Notification", message_id, message, Subject=subject, MessageAttributes=message_attributes
    )
    if self.protocol == "sqs":
        return to_queue(self.endpoint, body, raw_attributes(message_attributes) if raw else None, more)
    if not self.attributes["PendingConfirmation"]:
        to_web(self, "Notification", message_id, body, raw)
    return None


def to_queue(queue_arn, body, attributes, more):
    """Where the queue is gone, nobody is told."""
    arn = parse_arn(queue_arn)
    try:
        sqs_backends[arn.account][arn.region].send_message(
            arn.resource_id,
            body,
            message_attributes=attributes,
            deduplication_id=more.get("deduplication_id"),
            group_id=more.get("group_id"),
            validate_group_id=False,
        )
    except SQSException:
        pass


def raw_attributes(attributes):
    """Attributes of a message, as SQS has them."""
    kind = {"Binary": "BinaryValue"}
    return {
        name: {"DataType": a["Type"], kind.get(a["Type"].split(".")[0], "StringValue"): a["Value"]}
        for name, a in (attributes or {}).items()
    }


def to_web(subscription, kind, message_id, body, raw=False):
    """Posts it, in its own time: a listener that is slow or gone keeps nobody. What is refused (4xx) is not repeated."""
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": subscription.topic.arn,
    }
    if kind == "Notification":
        headers["x-amz-sns-subscription-arn"] = subscription.arn
    if raw:
        headers["x-amz-sns-rawdelivery"] = "true"

    def go():
        for pause in (0, *TRIES):
            time.sleep(pause * WORLD.clock.scale)
            try:
                answer = requests.post(subscription.endpoint, body.encode(), headers=headers, timeout=15)
            except requests.RequestException:
                continue
            if answer.status_code < 500 and answer.status_code != 429:
                return

    threading.Thread(target=go, daemon=True).start()


@around(SNSBackend, "subscribe")
def subscribe(original, self, topic_arn, endpoint, protocol):
    """A web address is asked first whether it wants to be told."""
    subscription = original(self, topic_arn, endpoint, protocol)
    if protocol in WEB and not hasattr(subscription, "token"):
        subscription.token = secrets.token_hex(32)
        subscription.attributes["PendingConfirmation"] = True
    if protocol in WEB and subscription.attributes["PendingConfirmation"]:
        region, message_id = subscription.topic.sns_backend.region_name, str(mock_random.uuid4())
        query = f"Action=ConfirmSubscription&TopicArn={topic_arn}&Token={subscription.token}"
        text = f"You have chosen to subscribe to the topic {topic_arn}.\nTo confirm, visit the SubscribeURL."
        body = envelope(
            subscription,
            "SubscriptionConfirmation",
            message_id,
            text,
            Token=subscription.token,
            SubscribeURL=f"https://sns.{region}.amazonaws.com/?{query}",
        )
        to_web(subscription, "SubscriptionConfirmation", message_id, body)
    return subscription


@replace(SNSResponse, "confirm_subscription")
def confirm_subscription(self):
    """By the token that the address was sent."""
    topic = self.backend.get_topic(self._get_param("TopicArn"))
    token = self._get_param("Token")
    found = [s for s in self.backend._get_topic_subscriptions(topic) if getattr(s, "token", None) == token]
    if not found:
        raise SNSInvalidParameter("Invalid parameter: Token")
    found[0].attributes["PendingConfirmation"] = False
    strict = str(self._get_param("AuthenticateOnUnsubscribe")).lower() == "true"
    found[0].attributes["ConfirmationWasAuthenticated"] = strict
    return ActionResult({"SubscriptionArn": found[0].arn})


@around(SNSResponse, "subscribe")
def answer_subscribe(original, self):
    """The ARN of what is not confirmed is not told."""
    told = original(self)
    subscription = self.backend.subscriptions[told.result["SubscriptionArn"]]
    if subscription.attributes["PendingConfirmation"]:
        told.result["SubscriptionArn"] = "pending confirmation"
    return told


@around(SNSBackend, "publish")
def publish(original, self, message, arn, phone_number=None, subject=None, **given):
    """A subject is one line of printable ASCII, and neither it nor the message is empty."""
    if subject is not None and not (subject.isascii() and subject.isprintable() and subject.strip()):
        raise SNSInvalidParameter("Invalid parameter: Subject")
    if not message:
        raise SNSInvalidParameter("Invalid parameter: Empty message")
    return original(self, message, arn, phone_number, subject, **given)


@around(SNSBackend, "set_topic_attribute")
def set_topic_attribute(original, self, topic_arn, attribute_name, attribute_value):
    """Two versions of signatures there are."""
    if attribute_name == "signature_version" and attribute_value not in HASHES:
        raise SNSInvalidParameter("Invalid parameter: SignatureVersion")
    original(self, topic_arn, attribute_name, attribute_value)
