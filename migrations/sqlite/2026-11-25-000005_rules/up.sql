-- Who or what decided a node's admission ("policy", "rule NAME", "person NAME"; null: nobody yet, or before this was kept), and when.
ALTER TABLE nodes ADD COLUMN admitted_by TEXT;
ALTER TABLE nodes ADD COLUMN admitted_at INTEGER;
CREATE INDEX nodes_by_manufacturer ON nodes (manufacturer);
CREATE INDEX nodes_by_product ON nodes (product);

-- What a search can ask of a node, kept ready: a compact projection of inventory and neighbours. Another version: made anew.
CREATE TABLE node_facts (
    node TEXT NOT NULL,
    version INTEGER NOT NULL,
    json TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;

-- Admission rules in order; the first that matches counts.
CREATE TABLE rules (
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (name),
    UNIQUE (position)
) STRICT;
