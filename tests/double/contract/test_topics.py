"""SNS: envelopes and their signatures, raw delivery, web addresses that confirm first."""

import base64
import json
import queue
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from .harness import ACCOUNT, EAST, WEST, Contract, client, url

OTHER = "210987654321"


class Listener:
    """A web server that keeps what it is sent, and answers as it is told."""

    def __init__(self, *statuses):
        self.heard, left = queue.Queue(), list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler):
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                handler.send_response(left.pop(0) if left else 200)
                handler.end_headers()
                self.heard.put((handler.headers, body.decode()))

            def log_message(handler, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/sns"

    def next(self):
        headers, body = self.heard.get(timeout=20)
        return headers, body

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Topics(Contract):
    def setUp(self):
        super().setUp()
        self.sns, self.sqs = client("sns", WEST), client("sqs", WEST)
        self.topic = self.sns.create_topic(Name="dr")["TopicArn"]

    def queue(self, sqs=None, name="q", **attributes):
        sqs = sqs or self.sqs
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)

        def arrived():
            return [m["Body"] for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]

        return arrived

    def publish(self, message="hello", **given):
        return self.sns.publish(TopicArn=self.topic, Message=message, **given)["MessageId"]

    def verify(self, told, keys):
        """As the documentation of the envelope says."""
        host, path = told["SigningCertURL"].removeprefix("https://").split("/", 1)
        self.assertEqual(host, f"sns.{WEST}.amazonaws.com")
        self.assertRegex(path, r"^SimpleNotificationService-[0-9a-f]{32}\.pem$")
        with urllib.request.urlopen(f"{url()}/{path}") as answer:
            key = x509.load_pem_x509_certificate(answer.read()).public_key()
        text = "".join(f"{k}\n{told[k]}\n" for k in keys if k in told)
        kind = {"1": hashes.SHA1, "2": hashes.SHA256}[told["SignatureVersion"]]()
        key.verify(base64.b64decode(told["Signature"]), text.encode(), padding.PKCS1v15(), kind)

    def test_an_envelope_is_signed_whole_in_either_version(self):
        arrived = self.queue()
        keys = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        for version in ("1", "2"):
            if version != "1":
                self.sns.set_topic_attributes(
                    TopicArn=self.topic, AttributeName="SignatureVersion", AttributeValue=version
                )
            for more in ({"Subject": "ALARM"}, {}):
                message_id = self.publish("böse\n{}", **more)
                (body,) = arrived()
                told = json.loads(body)
                self.assertEqual((told["SignatureVersion"], told["MessageId"]), (version, message_id))
                self.assertEqual((told.get("Subject"), told["Message"]), (more.get("Subject"), "böse\n{}"))
                self.assertEqual((told["TopicArn"], told["Type"]), (self.topic, "Notification"))
                self.assertRegex(told["Timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertTrue(told["UnsubscribeURL"].startswith(f"https://sns.{WEST}.amazonaws.com/?Action=Unsub"))
                self.verify(told, keys)
                with self.assertRaises(InvalidSignature):
                    self.verify({**told, "Message": "other"}, keys)
        attribute = dict(TopicArn=self.topic, AttributeName="SignatureVersion", AttributeValue="3")
        self.refused("InvalidParameter", self.sns.set_topic_attributes, **attribute)

    def test_raw_or_enveloped_with_attributes_and_filters(self):
        raw = self.queue(name="raw", RawMessageDelivery="true")
        enveloped = self.queue(name="enveloped")
        filtered = self.queue(name="filtered", FilterPolicy='{"kind": ["page"]}')
        self.publish(MessageAttributes={"kind": {"DataType": "String", "StringValue": "alarm"}})
        self.assertEqual((raw(), filtered()), (["hello"], []))
        told = json.loads(enveloped()[0])
        self.assertEqual(told["MessageAttributes"], {"kind": {"Type": "String", "Value": "alarm"}})

    def test_queues_of_other_accounts_and_regions_and_one_that_is_gone(self):
        there = self.queue(client("sqs", EAST, OTHER))
        gone = f"arn:aws:sqs:{WEST}:{ACCOUNT}:gone"
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=gone)
        self.publish()
        self.assertEqual(json.loads(there()[0])["Message"], "hello")

    def test_refusals(self):
        for subject in ("", "a\nb", "ü", "x" * 101):
            self.refused("InvalidParameter", self.publish, Subject=subject)
        self.publish(Subject="x" * 100)
        self.refused("InvalidParameter", self.publish, "")
        self.refused("NotFound", self.sns.publish, TopicArn=self.topic + "x", Message="m")

    def test_a_web_address_confirms_first(self):
        listener = Listener()
        self.addCleanup(listener.close)
        given = dict(TopicArn=self.topic, Protocol="http", Endpoint=listener.url)
        self.assertEqual(self.sns.subscribe(**given)["SubscriptionArn"], "pending confirmation")
        headers, body = listener.next()
        told = json.loads(body)
        self.assertEqual(headers["x-amz-sns-message-type"], "SubscriptionConfirmation")
        self.assertEqual(headers["Content-Type"], "text/plain; charset=UTF-8")
        self.assertIn(told["Token"], told["SubscribeURL"])
        self.assertNotIn("UnsubscribeURL", told)
        keys = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
        self.verify(told, keys)
        self.publish("too early")
        self.refused("InvalidParameter", self.sns.confirm_subscription, TopicArn=self.topic, Token="wrong")
        self.refused("NotFound", self.sns.confirm_subscription, TopicArn=self.topic + "x", Token=told["Token"])
        arn = self.sns.confirm_subscription(
            TopicArn=self.topic, Token=told["Token"], AuthenticateOnUnsubscribe="false"
        )["SubscriptionArn"]
        self.publish("now")
        headers, body = listener.next()
        self.assertEqual(headers["x-amz-sns-message-type"], "Notification")
        self.assertEqual(headers["x-amz-sns-subscription-arn"], arn)
        self.assertEqual((headers["x-amz-sns-topic-arn"], headers["x-amz-sns-rawdelivery"]), (self.topic, None))
        self.assertEqual(json.loads(body)["Message"], "now")
        self.sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true"
        )
        self.publish("raw")
        headers, body = listener.next()
        self.assertEqual((headers["x-amz-sns-rawdelivery"], body), ("true", "raw"))

    def test_a_web_address_that_stumbles_is_tried_again_one_that_refuses_is_not(self):
        listener = Listener(200, 503, 500, 200, 403, 200)
        self.addCleanup(listener.close)
        self.sns.subscribe(TopicArn=self.topic, Protocol="http", Endpoint=listener.url)
        token = json.loads(listener.next()[1])["Token"]
        self.sns.confirm_subscription(TopicArn=self.topic, Token=token)
        self.publish("one")
        self.assertEqual({json.loads(listener.next()[1])["Message"] for _ in range(3)}, {"one"})
        for message in ("two", "three"):
            self.publish(message)
            self.assertEqual(json.loads(listener.next()[1])["Message"], message)
