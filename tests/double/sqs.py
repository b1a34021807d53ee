"""SQS: several who receive and delete at once lose no message, and a receipt that is not the last one deletes nothing.
Thousands of messages are no matter."""

import socket

from flask import has_request_context, request
from moto.core.utils import unix_time
from moto.sqs.exceptions import ReceiptHandleIsInvalid, SQSException
from moto.sqs.models import Queue, SQSBackend

from .patching import around, replace

# How long a long poll sleeps when nobody sends: messages come back without anybody saying so.
GLANCE = 0.05


class Visible:
    """The messages of a queue that can be received, looked for no further than anybody reads: moto lists them all each
    time that it asks."""

    def __init__(self, messages):
        self._messages = messages

    def __iter__(self):
        return (m for m in self._messages if m.visible and not m.delayed)

    def __bool__(self):
        return any(True for _ in self)

    def __len__(self):
        return sum(1 for _ in self)


replace(Queue, "messages")(property(lambda self: Visible(self._messages)))
# moto reads all attributes at every send and for every message received; these count the messages.
COUNTS = {
    "ApproximateNumberOfMessages": "approximate_number_of_messages",
    "ApproximateNumberOfMessagesDelayed": "approximate_number_of_messages_delayed",
    "ApproximateNumberOfMessagesNotVisible": "approximate_number_of_messages_not_visible",
}
replace(Queue, "BASE_ATTRIBUTES")([name for name in Queue.BASE_ATTRIBUTES if name not in COUNTS])


@around(SQSBackend, "get_queue_attributes")
def get_queue_attributes(original, self, queue_name, attribute_names):
    """Counts when it is asked to."""
    told = original(self, queue_name, [name for name in attribute_names if name not in COUNTS])
    counted = [name for name in COUNTS if {name, "All"} & set(attribute_names)]
    return {**told, **{name: getattr(self.get_queue(queue_name), COUNTS[name]) for name in counted}}


@replace(Queue, "delete_message")
def delete_message(self, receipt_handle):
    """A receipt of before is taken and does nothing: who received last has the message."""
    with self._messages_lock:
        for message in self._messages:
            if message.receipt_handle == receipt_handle:
                self._messages = [m for m in self._messages if m is not message]
                self.pending_messages.discard(message)
                self.deleted_messages.update(message.all_receipt_handles)
                return
        held = any(message.had_receipt_handle(receipt_handle) for message in self._messages)
        if not held and receipt_handle not in self.deleted_messages:
            raise ReceiptHandleIsInvalid


@around(SQSBackend, "change_message_visibility")
def change_message_visibility(original, self, queue_name, receipt_handle, visibility_timeout):
    """Only of what is in flight, by the last receipt. Who polls hears of what is released."""
    queue = self.get_queue(queue_name)
    with queue._messages_lock:
        held = [m for m in queue._messages if m.had_receipt_handle(receipt_handle)]
        if (held and (held[0].visible or held[0].receipt_handle != receipt_handle)) or (
            not held and receipt_handle in queue.deleted_messages
        ):
            error = SQSException("Message does not exist or is not available for visibility timeout change.")
            error.code = "AWS.SimpleQueueService.MessageNotInflight"
            raise error
        original(self, queue_name, receipt_handle, visibility_timeout)
        queue._messages_lock.notify_all()


@around(SQSBackend, "receive_message")
def receive_message(original, self, queue_name, count, wait_seconds_timeout, *rest, **given):
    """One at a time, and nothing for who is gone: a message would stay hidden for nobody."""
    queue = self.get_queue(queue_name)
    end = unix_time() + wait_seconds_timeout
    while True:
        with queue._messages_lock:
            found = [] if gone() else original(self, queue_name, count, 0, *rest, **given)
            left = end - unix_time()
            if found or left <= 0 or gone():
                return found
            queue._messages_lock.wait_for(lambda: queue.messages, timeout=min(GLANCE, left))


def gone():
    """Whether who asks has hung up."""
    connection = request.environ.get("werkzeug.socket") if has_request_context() else None
    if connection is None:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
