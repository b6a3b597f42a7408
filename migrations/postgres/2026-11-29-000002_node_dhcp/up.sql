-- What one node is told by DHCP instead of what its subnet says; JSON.
CREATE TABLE node_dhcp (
    node TEXT COLLATE "C" NOT NULL,
    spec TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
