-- A BMC that has no node yet. sealed: its password, none once it is matched. next: not asked before, or the end of the lease
-- of who holds the claim; none: nothing is to be done.
CREATE TABLE enrolments (
    id TEXT NOT NULL,
    batch TEXT NOT NULL,
    who TEXT NOT NULL,
    address TEXT NOT NULL,
    port BIGINT,
    protocol TEXT NOT NULL,
    username TEXT NOT NULL,
    sealed TEXT,
    master_key TEXT,
    hostname TEXT,
    cluster TEXT NOT NULL,
    profile TEXT,
    uefi BIGINT NOT NULL,
    restart BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    sent TEXT,
    driver TEXT,
    certificate TEXT,
    mac TEXT,
    firmware TEXT NOT NULL,
    power TEXT NOT NULL,
    node TEXT,
    attempts BIGINT NOT NULL,
    next BIGINT,
    claim TEXT,
    made BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (address),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE SET NULL
);
CREATE INDEX enrolments_by_next ON enrolments (next);
CREATE INDEX enrolments_by_state_id ON enrolments (state, id);
CREATE INDEX enrolments_by_batch_state ON enrolments (batch, state);
CREATE INDEX enrolments_by_master_key ON enrolments (master_key);
CREATE INDEX enrolments_by_mac ON enrolments (mac);
CREATE INDEX enrolments_by_node ON enrolments (node);

-- The names by which its BMC may call the system.
CREATE TABLE enrolment_uuids (
    enrolment TEXT NOT NULL,
    uuid TEXT NOT NULL,
    PRIMARY KEY (enrolment, uuid),
    FOREIGN KEY (enrolment) REFERENCES enrolments (id) ON DELETE CASCADE
);
CREATE INDEX enrolment_uuids_by_uuid ON enrolment_uuids (uuid);
