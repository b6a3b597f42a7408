-- The BMC of a node: what was found in-band, how it is reached, what it said last. Its passwords are elsewhere, sealed.
CREATE TABLE bmcs (
    node TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    protocol TEXT NOT NULL,
    driver TEXT,
    address TEXT,
    port INTEGER,
    mac TEXT NOT NULL,
    guid TEXT NOT NULL,
    firmware TEXT NOT NULL,
    found TEXT,
    found_at INTEGER,
    boot TEXT,
    held INTEGER NOT NULL,
    changes TEXT NOT NULL,
    reported INTEGER,
    certificate TEXT,
    proven INTEGER,
    power TEXT NOT NULL,
    power_at INTEGER,
    failures INTEGER NOT NULL,
    next INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX bmcs_by_next ON bmcs (next);
CREATE INDEX bmcs_by_state_node ON bmcs (state, node);
CREATE INDEX bmcs_by_address ON bmcs (address);
