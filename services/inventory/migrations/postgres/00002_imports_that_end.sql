-- +goose Up
ALTER TABLE imports DROP CONSTRAINT imports_status;
ALTER TABLE imports ADD CONSTRAINT imports_status
    CHECK (status IN ('uploading', 'pending', 'running', 'done', 'failed', 'cancelled'));
ALTER TABLE imports ADD COLUMN read_offset bigint NOT NULL DEFAULT 0;
ALTER TABLE imports ADD COLUMN read_line bigint NOT NULL DEFAULT 0;
ALTER TABLE imports ADD COLUMN ignored text NOT NULL DEFAULT '';
ALTER TABLE imports ADD COLUMN reason text NOT NULL DEFAULT '';
ALTER TABLE imports ADD COLUMN moved_at timestamptz;
