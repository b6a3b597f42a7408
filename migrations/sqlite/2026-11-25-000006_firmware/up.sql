-- Firmware policy: the first rule (by position) that fits a component counts. An update's columns are null with other modes.
CREATE TABLE firmware_rules (
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    component TEXT NOT NULL,
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    wanted TEXT NOT NULL,
    allowed TEXT NOT NULL,
    mode TEXT NOT NULL,
    on_failure TEXT NOT NULL,
    blob TEXT,
    program TEXT,
    changed INTEGER NOT NULL,
    PRIMARY KEY (name),
    FOREIGN KEY (blob) REFERENCES blobs (sha256) ON DELETE RESTRICT
) STRICT;
CREATE INDEX firmware_rules_by_blob ON firmware_rules (blob);

-- Tries of updates. Open: ended is null. Names of rules and the blob are history, so no keys to them.
CREATE TABLE firmware_attempts (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    boot TEXT NOT NULL,
    rule TEXT NOT NULL,
    component TEXT NOT NULL,
    subject TEXT NOT NULL,
    wanted TEXT NOT NULL,
    n INTEGER NOT NULL,
    found_before TEXT NOT NULL,
    found_after TEXT,
    blob TEXT NOT NULL,
    program TEXT NOT NULL,
    started INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    reported INTEGER,
    exit_status TEXT NOT NULL,
    output TEXT NOT NULL,
    ended INTEGER,
    outcome TEXT,
    cleared INTEGER,
    PRIMARY KEY (id),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX firmware_attempts_by_node_id ON firmware_attempts (node, id);
CREATE INDEX firmware_attempts_by_ended_deadline ON firmware_attempts (ended, deadline);
-- A node carries out one at a time.
CREATE UNIQUE INDEX firmware_attempts_open ON firmware_attempts (node) WHERE ended IS NULL;

-- How each node stands with the rules of that number, and its parts as it told them at its last Register.
CREATE TABLE node_firmware (
    node TEXT NOT NULL,
    state TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    components TEXT NOT NULL,
    rules INTEGER NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX node_firmware_by_state_node ON node_firmware (state, node);
CREATE INDEX node_firmware_by_rules ON node_firmware (rules);
