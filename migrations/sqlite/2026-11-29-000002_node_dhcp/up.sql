-- What one node is told by DHCP instead of what its subnet says; JSON.
CREATE TABLE node_dhcp (
    node TEXT NOT NULL,
    spec TEXT NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
