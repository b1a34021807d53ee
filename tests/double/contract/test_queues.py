"""SQS: receipts, messages that come back, several who receive and delete at once, and who hangs up."""

import http.client
import json
import threading
import time
import urllib.parse

from .harness import WEST, Contract, client, until, url


class Queues(Contract):
    def setUp(self):
        super().setUp()
        self.sqs = client("sqs", WEST)
        self.url = self.sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]

    def send(self, *bodies):
        for start in range(0, len(bodies), 10):
            rows = [{"Id": str(n), "MessageBody": b} for n, b in enumerate(bodies[start : start + 10])]
            self.sqs.send_message_batch(QueueUrl=self.url, Entries=rows)

    def receive(self, sqs=None, **asked):
        return (sqs or self.sqs).receive_message(QueueUrl=self.url, **{"MaxNumberOfMessages": 10, **asked}).get(
            "Messages", []
        )

    def extend(self, receipt, seconds):
        self.sqs.change_message_visibility(QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=seconds)

    def delete(self, receipt):
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=receipt)

    def test_a_receipt_of_before_deletes_nothing(self):
        self.send("one")
        first = self.receive()[0]["ReceiptHandle"]
        self.assertEqual(self.receive(), [])
        self.extend(first, 0)
        (again,) = self.receive(WaitTimeSeconds=1)
        self.delete(first)
        self.extend(again["ReceiptHandle"], 0)
        (last,) = self.receive(WaitTimeSeconds=1)
        self.delete(last["ReceiptHandle"])
        self.delete(last["ReceiptHandle"])
        self.assertEqual(self.receive(), [])
        self.refused("ReceiptHandleIsInvalid", self.delete, "none")

    def test_only_what_is_in_flight_is_extended(self):
        self.send("one")
        receipt = self.receive()[0]["ReceiptHandle"]
        self.extend(receipt, 60)
        self.extend(receipt, 0)
        until(lambda: self.receive(VisibilityTimeout=0))
        self.refused("AWS.SimpleQueueService.MessageNotInflight", self.extend, receipt, 60)
        self.refused("ReceiptHandleIsInvalid", self.extend, "none", 60)

    def test_a_batch_tells_what_it_could_not_delete(self):
        self.send("one")
        receipt = self.receive()[0]["ReceiptHandle"]
        rows = [{"Id": "0", "ReceiptHandle": receipt}, {"Id": "1", "ReceiptHandle": "none"}]
        told = self.sqs.delete_message_batch(QueueUrl=self.url, Entries=rows)
        self.assertEqual([r["Id"] for r in told["Successful"]], ["0"])
        (failed,) = told["Failed"]
        self.assertEqual((failed["Id"], failed["Code"]), ("1", "ReceiptHandleIsInvalid"))

    def test_messages_are_counted(self):
        self.send("one", "two", "three")
        self.receive(MaxNumberOfMessages=1)
        names = [f"ApproximateNumberOfMessages{n}" for n in ("", "NotVisible", "Delayed")]
        for asked in (names, ["All"]):
            told = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=asked)["Attributes"]
            self.assertEqual([told[n] for n in names], ["2", "1", "0"])
        asked = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["VisibilityTimeout"])["Attributes"]
        self.assertEqual(asked, {"VisibilityTimeout": "30"})

    def test_who_waits_hears_at_once_of_what_is_sent_and_of_what_is_released(self):
        self.send("one")
        receipt = self.receive()[0]["ReceiptHandle"]
        for act in (lambda: self.send("two"), lambda: self.extend(receipt, 0)):
            heard = []

            def wait():
                heard.extend(self.receive(client("sqs", WEST), WaitTimeSeconds=20))

            waiting = threading.Thread(target=wait)
            waiting.start()
            time.sleep(0.2)
            start = time.monotonic()
            act()
            waiting.join()
            self.assertEqual(len(heard), 1)
            self.assertLess(time.monotonic() - start, 1)

    def test_who_waits_in_vain_is_answered_in_time(self):
        start = time.monotonic()
        self.assertEqual(self.receive(WaitTimeSeconds=1), [])
        self.assertLess(abs(time.monotonic() - start - 1), 0.5)

    def test_several_at_once_lose_nothing_and_get_nothing_twice(self):
        seen, lock, bodies = [], threading.Lock(), [str(n) for n in range(200)]

        def work():
            sqs = client("sqs", WEST)
            while rows := self.receive(sqs, WaitTimeSeconds=1):
                with lock:
                    seen.extend(r["Body"] for r in rows)
                entries = [{"Id": str(n), "ReceiptHandle": r["ReceiptHandle"]} for n, r in enumerate(rows)]
                sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        self.send(*bodies)
        for worker in workers:
            worker.join()
        self.assertEqual(sorted(seen), sorted(bodies))

    def test_who_hung_up_gets_nothing(self):
        place = urllib.parse.urlsplit(url())
        connection = http.client.HTTPConnection(place.hostname, place.port)
        scope = f"AKIAIOSFODNN7EXAMPLE/20260101/{WEST}/sqs/aws4_request"
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "AmazonSQS.ReceiveMessage",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        }
        connection.request("POST", "/", json.dumps({"QueueUrl": self.url, "WaitTimeSeconds": 20}), headers)
        time.sleep(0.2)
        connection.close()
        time.sleep(0.2)
        self.send("one")
        self.assertEqual(len(self.receive(WaitTimeSeconds=1)), 1)
