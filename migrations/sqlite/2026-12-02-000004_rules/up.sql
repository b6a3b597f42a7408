-- Tags that people gave, and those of rules: JSON lists. Who holds profile, cluster and host name: JSON, "person" or the name
-- of a rule; absent: nobody, a rule may say it.
ALTER TABLE nodes ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE nodes ADD COLUMN rule_tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE nodes ADD COLUMN held TEXT NOT NULL DEFAULT '{}';

-- Numbers in the host names that rules give: a node keeps its own for ever.
CREATE TABLE name_numbers (
    pattern TEXT NOT NULL,
    number INTEGER NOT NULL,
    node TEXT NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    PRIMARY KEY (pattern, number),
    UNIQUE (pattern, node)
) STRICT;
CREATE INDEX name_numbers_by_node ON name_numbers (node);
-- The last number given under a pattern: none is given twice, whatever became of its node.
CREATE TABLE name_counters (
    pattern TEXT PRIMARY KEY NOT NULL,
    last INTEGER NOT NULL
) STRICT;
