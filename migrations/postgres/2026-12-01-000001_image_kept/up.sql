-- Who made an image, of what, and what people say of it. recipe never changes; notes may.
ALTER TABLE images ADD COLUMN made_by TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN notes TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN recipe TEXT COLLATE "C" NOT NULL DEFAULT '';
-- The blob with the listing of its root file system.
ALTER TABLE images ADD COLUMN contents TEXT COLLATE "C" REFERENCES blobs (sha256) ON DELETE RESTRICT;
CREATE INDEX images_by_contents ON images (contents);

-- Movable names of versions. A label is never the name of a version of the same image.
CREATE TABLE image_labels (
    name TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    moved_by TEXT COLLATE "C" NOT NULL,
    moved BIGINT NOT NULL,
    PRIMARY KEY (name, label),
    FOREIGN KEY (name, version) REFERENCES images (name, version) ON DELETE RESTRICT
);
CREATE INDEX image_labels_by_name_version ON image_labels (name, version);
CREATE INDEX boots_by_image_phase ON boots (image, phase);
