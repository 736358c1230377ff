-- +goose Up
-- Why the shop itself cancelled the order: timed_out. NULL where a person did.
ALTER TABLE orders ADD COLUMN reason text;
-- When the order was found confirmed for too long without being shipped.
ALTER TABLE orders ADD COLUMN overdue_at datetime;
CREATE INDEX orders_overdue ON orders (id) WHERE overdue_at IS NOT NULL AND status = 'confirmed';

-- Orders that exist get the timers that they would have by the defaults. Times are text that
-- sorts only without zeros at the end of a fraction.
INSERT INTO timers (kind, subject, version, due_at, correlation_id, causation_id, trace_parent)
SELECT kind, id, version, rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', since, after), '0'), '.') || '+00:00', '', '', ''
FROM (
    SELECT 'order_timeout' AS kind, id, version, placed_at AS since, '+24 hours' AS after FROM orders WHERE status = 'placed'
    UNION ALL
    SELECT 'ship_reminder', id, version, updated_at, '+72 hours' FROM orders WHERE status = 'confirmed'
) AS waiting;
