-- What a node was made of, one row a content; its last report's other half. Replaces `inventories`, which held the last one only.
-- json: canonical; hash: over it. unread: JSON, the sources that could not be read for it. changes: against the version before.
CREATE TABLE inventory_versions (
    node TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    json TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    unread TEXT COLLATE "C" NOT NULL,
    changes BIGINT NOT NULL,
    at BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (node, version),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
INSERT INTO inventory_versions (node, version, hash, json, size, unread, changes, at, last_seen)
    SELECT node, 1, hash, json, octet_length(json), '[]', 0, at, at FROM inventories;
DROP TABLE inventories;

-- What the last report told that is no content: JSON of the inventory's `volatile` and `errors`.
CREATE TABLE inventory_reports (
    node TEXT COLLATE "C" NOT NULL,
    json TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
