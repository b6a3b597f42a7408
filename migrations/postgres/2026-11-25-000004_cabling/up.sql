-- Who speaks LLDP at the other end of nodes' cables.
CREATE TABLE switches (
    chassis_id TEXT NOT NULL,
    chassis_id_type TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    addresses TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (chassis_id, chassis_id_type)
);
CREATE INDEX switches_by_name ON switches (name);

CREATE TABLE switch_ports (
    chassis_id TEXT NOT NULL,
    chassis_id_type TEXT NOT NULL,
    port_id TEXT NOT NULL,
    port_id_type TEXT NOT NULL,
    description TEXT NOT NULL,
    pvid BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (chassis_id, chassis_id_type, port_id, port_id_type),
    FOREIGN KEY (chassis_id, chassis_id_type) REFERENCES switches (chassis_id, chassis_id_type) ON DELETE CASCADE
);

-- Which NIC is (ended: null) or was behind which port. Not accepted: it contradicts an accepted link of the same NIC, and
-- nobody has said yet that it is right.
CREATE TABLE links (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    mac TEXT NOT NULL,
    interface TEXT NOT NULL,
    chassis_id TEXT NOT NULL,
    chassis_id_type TEXT NOT NULL,
    port_id TEXT NOT NULL,
    port_id_type TEXT NOT NULL,
    accepted BOOLEAN NOT NULL,
    boot TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    ended BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX links_by_node_ended ON links (node, ended);
CREATE INDEX links_by_chassis_id_port_id ON links (chassis_id, chassis_id_type, port_id, port_id_type, ended);

-- A node's NICs in the order of its last inventory, for "the second NIC".
CREATE TABLE node_nics (
    node TEXT NOT NULL,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (node, position),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);

-- Where cables should be, as imported: texts that name things, which need not exist yet.
CREATE TABLE expected_cabling (
    position BIGINT NOT NULL,
    node TEXT NOT NULL,
    serial TEXT NOT NULL,
    nic TEXT NOT NULL,
    switch TEXT NOT NULL,
    port TEXT NOT NULL,
    PRIMARY KEY (position)
);
CREATE INDEX expected_cabling_by_node ON expected_cabling (node);
CREATE INDEX expected_cabling_by_serial ON expected_cabling (serial);
CREATE INDEX expected_cabling_by_switch_port ON expected_cabling (switch, port);
CREATE INDEX nodes_by_hostname ON nodes (hostname);
