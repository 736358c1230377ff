-- +goose Up
-- One open letter for an event, however often it is read: those that a replay doubled
-- are closed but for the first.
UPDATE dead_letters SET state = 'discarded', reason = 'a double, from before there was one letter for an event', closed_at = last_at
WHERE state = 'open' AND event_id <> '' AND EXISTS (
    SELECT 1 FROM dead_letters AS first
    WHERE first.state = 'open' AND first.id < dead_letters.id AND first.subscriber = dead_letters.subscriber
      AND first.stream = dead_letters.stream AND first.event_id = dead_letters.event_id
);
CREATE UNIQUE INDEX dead_letters_once ON dead_letters (subscriber, stream, event_id) WHERE state = 'open' AND event_id <> '';
