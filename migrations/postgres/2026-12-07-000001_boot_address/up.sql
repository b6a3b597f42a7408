-- The address from which the running system of a boot was heard last. NULL: not heard, or through a proxy on the server's machine.
ALTER TABLE boots ADD COLUMN address TEXT COLLATE "C";
