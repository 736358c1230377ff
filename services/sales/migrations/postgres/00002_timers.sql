-- +goose Up
-- Why the shop itself cancelled the order: timed_out. NULL where a person did.
ALTER TABLE orders ADD COLUMN reason text;
-- When the order was found confirmed for too long without being shipped.
ALTER TABLE orders ADD COLUMN overdue_at timestamptz;
CREATE INDEX orders_overdue ON orders (id) WHERE overdue_at IS NOT NULL AND status = 'confirmed';

-- Orders that exist get the timers that they would have by the defaults.
INSERT INTO timers (kind, subject, version, due_at, correlation_id, causation_id, trace_parent)
SELECT 'order_timeout', id, version, placed_at + interval '24 hours', '', '', '' FROM orders WHERE status = 'placed'
UNION ALL
SELECT 'ship_reminder', id, version, updated_at + interval '72 hours', '', '', '' FROM orders WHERE status = 'confirmed';
