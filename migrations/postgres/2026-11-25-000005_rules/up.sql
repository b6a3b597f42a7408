-- Who or what decided a node's admission ("policy", "rule NAME", "person NAME"; null: nobody yet, or before this was kept), and when.
ALTER TABLE nodes ADD COLUMN admitted_by TEXT COLLATE "C";
ALTER TABLE nodes ADD COLUMN admitted_at BIGINT;
CREATE INDEX nodes_by_manufacturer ON nodes (manufacturer);
CREATE INDEX nodes_by_product ON nodes (product);

-- What a search can ask of a node, kept ready: a compact projection of inventory and neighbours. Another version: made anew.
CREATE TABLE node_facts (
    node TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    json TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);

-- Admission rules in order; the first that matches counts.
CREATE TABLE rules (
    name TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    spec TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (name),
    UNIQUE (position)
);
