-- The device of a profile's network that has an address; empty: the node itself, or its BMC.
ALTER TABLE addresses ADD COLUMN device TEXT COLLATE "C" NOT NULL DEFAULT '';
-- A node has one address of a kind, and each of its devices one of a pool.
DROP INDEX addresses_live;
CREATE UNIQUE INDEX addresses_live ON addresses (node, kind) WHERE released IS NULL AND device = '';
CREATE UNIQUE INDEX addresses_of_devices ON addresses (node, device, pool) WHERE released IS NULL AND device <> '';
