-- What a node was made of, one row a content; its last report's other half. Replaces `inventories`, which held the last one only.
-- json: canonical; hash: over it. unread: JSON, the sources that could not be read for it. changes: against the version before.
CREATE TABLE inventory_versions (
    node TEXT NOT NULL,
    version INTEGER NOT NULL,
    hash TEXT NOT NULL,
    json TEXT NOT NULL,
    size INTEGER NOT NULL,
    unread TEXT NOT NULL,
    changes INTEGER NOT NULL,
    at INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (node, version),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
INSERT INTO inventory_versions (node, version, hash, json, size, unread, changes, at, last_seen)
    SELECT node, 1, hash, json, length(CAST(json AS BLOB)), '[]', 0, at, at FROM inventories;
DROP TABLE inventories;

-- What the last report told that is no content: JSON of the inventory's `volatile` and `errors`.
CREATE TABLE inventory_reports (
    node TEXT NOT NULL,
    json TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
