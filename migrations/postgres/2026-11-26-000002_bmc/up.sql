-- The BMC of a node: what was found in-band, how it is reached, what it said last. Its passwords are elsewhere, sealed.
CREATE TABLE bmcs (
    node TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    protocol TEXT NOT NULL,
    driver TEXT,
    address TEXT,
    port BIGINT,
    mac TEXT NOT NULL,
    guid TEXT NOT NULL,
    firmware TEXT NOT NULL,
    found TEXT,
    found_at BIGINT,
    boot TEXT,
    held BIGINT NOT NULL,
    changes TEXT NOT NULL,
    reported BIGINT,
    certificate TEXT,
    proven BIGINT,
    power TEXT NOT NULL,
    power_at BIGINT,
    failures BIGINT NOT NULL,
    next BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX bmcs_by_next ON bmcs (next);
CREATE INDEX bmcs_by_state_node ON bmcs (state, node);
CREATE INDEX bmcs_by_address ON bmcs (address);
