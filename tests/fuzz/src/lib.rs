//! Fuzz targets, one a file of `src/bin`: what a cable or a firmware may say is answered without a panic, in bounded time
//! and memory. `scripts/fuzz` builds them with coverage counters and runs them; `seeds/` holds real frames and packets, and
//! the tables of `agent/tests/agent/smbios`. What a run finds of interest grows outside the working copy, in `$HIGUMA_CACHE/fuzz`.
