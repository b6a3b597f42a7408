-- The cluster that a node is in: decides which pools serve it. none: in none.
ALTER TABLE nodes ADD COLUMN cluster TEXT;
