-- What must be true of the data before users are moved back to it. Every row that a query returns
-- is a violation, and the failback stops at it. Replace these by the invariants of your own schema;
-- keep them cheap enough to run within the step's timeout, and read-only.

-- Money: no order is paid by more than it costs.
SELECT o.id, o.total, sum(p.amount) AS paid
FROM orders o
JOIN payments p ON p.order_id = o.id
GROUP BY o.id, o.total
HAVING sum(p.amount) > o.total;

-- References: no payment without its order.
SELECT p.id
FROM payments p
LEFT JOIN orders o ON o.id = p.order_id
WHERE o.id IS NULL;

-- Time: nothing was written in the future (clocks and sequences survived the move).
SELECT id, created_at FROM orders WHERE created_at > now() + interval '1 minute';
