-- What a profile inherits from now; a revision keeps the parent that it named.
ALTER TABLE profiles ADD COLUMN parent TEXT REFERENCES profiles (name) ON DELETE RESTRICT;
CREATE INDEX profiles_by_parent ON profiles (parent);
ALTER TABLE profile_revisions ADD COLUMN parent TEXT;
-- The revision's own words as JSON; spec is what they made with its parent's. Empty: made before there were parents.
ALTER TABLE profile_revisions ADD COLUMN words TEXT NOT NULL DEFAULT '';
ALTER TABLE profile_revisions ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
