-- What was noticed of a node and matters until it is put right or a person has seen it: hardware that went, a cable that moved.
-- Open: cleared is null. At most one open event of a (node, subject).
CREATE TABLE node_events (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    at BIGINT NOT NULL,
    cleared BIGINT,
    acknowledged BIGINT,
    acknowledged_by TEXT,
    PRIMARY KEY (id),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX node_events_by_node_subject ON node_events (node, subject);
CREATE INDEX node_events_by_cleared_id ON node_events (cleared, id);
-- What the fleet page asks all the time.
CREATE INDEX node_events_open_by_severity_id ON node_events (severity, id)
    WHERE cleared IS NULL AND acknowledged IS NULL;
