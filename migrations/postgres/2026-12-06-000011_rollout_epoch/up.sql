-- Counts the changes of a rollout: a step that was thought out over an older one is not stored.
ALTER TABLE rollouts ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
