-- How a node came by its name, and which name its machine laid claim to last: nodes of one claim are in conflict.
-- merge_candidate: the node that it may be, with another board. A node that was added by hand has no row until it is seen.
CREATE TABLE node_identities (
    node TEXT NOT NULL,
    source TEXT NOT NULL,
    claimed TEXT NOT NULL,
    told TEXT,
    merge_candidate TEXT,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE,
    FOREIGN KEY (merge_candidate) REFERENCES nodes (uuid) ON DELETE SET NULL
) STRICT;
CREATE INDEX node_identities_by_claimed_node ON node_identities (claimed, node);
CREATE INDEX node_identities_by_merge_candidate ON node_identities (merge_candidate);

-- Names that were merged into a node.
CREATE TABLE node_aliases (
    uuid TEXT NOT NULL,
    node TEXT NOT NULL,
    PRIMARY KEY (uuid),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX node_aliases_by_node ON node_aliases (node);

-- Nodes that came before this: a UUID of version 5 was made by us of a MAC address.
INSERT INTO node_identities (node, source, claimed, told)
SELECT uuid, CASE WHEN substr(uuid, 15, 1) = '5' THEN 'macs' ELSE 'smbios' END, uuid,
    CASE WHEN substr(uuid, 15, 1) = '5' THEN NULL ELSE uuid END
FROM nodes WHERE boot IS NOT NULL;

-- What iPXE told, to be compared with what the agent tells. node is the name that was made of it.
ALTER TABLE offers ADD COLUMN told_uuid TEXT;
ALTER TABLE offers ADD COLUMN told_manufacturer TEXT NOT NULL DEFAULT '';
ALTER TABLE offers ADD COLUMN told_product TEXT NOT NULL DEFAULT '';
ALTER TABLE offers ADD COLUMN told_serial TEXT NOT NULL DEFAULT '';
