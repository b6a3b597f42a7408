//! Blobs that are durable in the blob store, and the first stages, which are made of them.

use super::schema::{blobs, firmware_attempts, firmware_rules, first_stages, image_parts, images};
use super::tx::{Row, Tx, limit_of, to_i64};
use crate::domain::image::Arch;
use crate::domain::{Micros, Sha256};
use crate::error::Result;
use diesel::prelude::*;
use higuma_proto::api::{FirstStage, NewFirstStage};

/// So many of the newest first stages of an architecture keep their blobs: the one in use, and the one before, since
/// nodes may be in the middle of downloading it.
const FIRST_STAGES_PINNED: i64 = 2;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = first_stages)]
struct FirstStageRec {
    seq: i64,
    arch: String,
    kernel: String,
    initramfs: String,
    kernel_package: String,
    agent_version: String,
    drivers: String,
    kernel_size: i64,
    initramfs_size: i64,
    created: i64,
}

impl Tx<'_> {
    /// Record a blob that is durable in the blob store. Again is no error, and makes it as young as `at`: so it is not
    /// forgotten between being uploaded again and being used.
    pub fn put_blob(&mut self, sha256: &Sha256, size: u64, at: Micros) -> Result<()> {
        let size = to_i64("size of a blob", size)?;
        self.run(format_args!("blob {sha256}"), |c| {
            let known = diesel::update(blobs::table.find(sha256.as_str())).set(blobs::created.eq(at)).execute(c)?;
            if known == 0 {
                diesel::insert_into(blobs::table)
                    .values((blobs::sha256.eq(sha256.as_str()), blobs::size.eq(size), blobs::created.eq(at)))
                    .execute(c)?;
            }
            Ok(())
        })
    }

    /// Its size, and since when it is recorded or was last asked for to be used.
    pub fn blob_since(&mut self, sha256: &Sha256) -> Result<Option<(u64, Micros)>> {
        let found: Option<(i64, i64)> = self.run(format_args!("blob {sha256}"), |c| {
            blobs::table.find(sha256.as_str()).select((blobs::size, blobs::created)).first(c).optional()
        })?;
        let row = Row { table: "blobs", key: sha256 };
        found.map(|(size, since)| Ok((row.number("size", size)?, since))).transpose()
    }

    /// Its size.
    pub fn blob(&mut self, sha256: &Sha256) -> Result<Option<u64>> {
        let size: Option<i64> = self.run(format_args!("blob {sha256}"), |c| {
            blobs::table.find(sha256.as_str()).select(blobs::size).first(c).optional()
        })?;
        size.map(|size| Row { table: "blobs", key: sha256 }.number("size", size)).transpose()
    }

    /// In order of name.
    pub fn blobs_after(&mut self, after: Option<&Sha256>, limit: usize) -> Result<Vec<Sha256>> {
        let after = after.map_or("", Sha256::as_str);
        let found: Vec<String> = self.run("blobs", |c| {
            let query = blobs::table.filter(blobs::sha256.gt(after)).order(blobs::sha256).limit(limit_of(limit));
            query.select(blobs::sha256).load(c)
        })?;
        let row = Row { table: "blobs", key: &"(listed)" };
        found.iter().map(|sha256| row.parse("sha256", sha256)).collect()
    }

    /// As [`Tx::blobs_after`], with their sizes.
    pub fn blob_sizes_after(&mut self, after: Option<&Sha256>, limit: usize) -> Result<Vec<(Sha256, u64)>> {
        let after = after.map_or("", Sha256::as_str);
        let found: Vec<(String, i64)> = self.run("blobs", |c| {
            let query = blobs::table.filter(blobs::sha256.gt(after)).order(blobs::sha256).limit(limit_of(limit));
            query.select((blobs::sha256, blobs::size)).load(c)
        })?;
        found
            .iter()
            .map(|(sha256, size)| {
                let row = Row { table: "blobs", key: sha256 };
                Ok((row.parse("sha256", sha256)?, row.number("size", *size)?))
            })
            .collect()
    }

    /// How many are recorded.
    pub fn blob_count(&mut self) -> Result<u64> {
        let count: i64 = self.run("number of blobs", |c| blobs::table.count().get_result(c))?;
        Row { table: "blobs", key: &"(counted)" }.number("count", count)
    }

    /// Bytes of all that are recorded.
    pub fn blob_bytes(&mut self) -> Result<u64> {
        let sizes: Vec<i64> = self.run("bytes of blobs", |c| blobs::table.select(blobs::size).load(c))?;
        let row = Row { table: "blobs", key: &"(summed)" };
        sizes.into_iter().try_fold(0u64, |sum, size| Ok(sum.saturating_add(row.number("size", size)?)))
    }

    /// Forget blobs that nothing refers to (image parts, listings of images, the two newest first stages of an architecture, firmware rules,
    /// and open firmware attempts, whose nodes may be downloading) and that were put before `before`; at most `limit`;
    /// returns them, for the blob store to delete after the commit.
    pub fn forget_unused_blobs(&mut self, before: Micros, limit: usize) -> Result<Vec<Sha256>> {
        let found: Vec<String> = self.run("unused blobs", |c| {
            let mut pinned: Vec<(String, String)> = vec![];
            for arch in [Arch::X86_64, Arch::Aarch64] {
                let newest: Vec<(String, String)> = first_stages::table
                    .filter(first_stages::arch.eq(arch.as_str()))
                    .order(first_stages::seq.desc())
                    .limit(FIRST_STAGES_PINNED)
                    .select((first_stages::kernel, first_stages::initramfs))
                    .load(c)?;
                pinned.extend(newest);
            }
            let in_image = image_parts::table.filter(image_parts::sha256.eq(blobs::sha256));
            let is_listing = images::table.filter(images::contents.eq(blobs::sha256.nullable()));
            let in_rule = firmware_rules::table.filter(firmware_rules::blob.eq(blobs::sha256.nullable()));
            let in_attempt = firmware_attempts::table
                .filter(firmware_attempts::blob.eq(blobs::sha256))
                .filter(firmware_attempts::ended.is_null());
            let mut query = blobs::table
                .filter(blobs::created.lt(before))
                .filter(diesel::dsl::not(diesel::dsl::exists(in_image)))
                .filter(diesel::dsl::not(diesel::dsl::exists(is_listing)))
                .filter(diesel::dsl::not(diesel::dsl::exists(in_rule)))
                .filter(diesel::dsl::not(diesel::dsl::exists(in_attempt)))
                .order((blobs::created, blobs::sha256))
                .limit(limit_of(limit))
                .select(blobs::sha256)
                .into_boxed();
            for sha256 in pinned.iter().flat_map(|(kernel, initramfs)| [kernel, initramfs]) {
                query = query.filter(blobs::sha256.ne(sha256));
            }
            let found: Vec<String> = query.load(c)?;
            for sha256 in &found {
                diesel::delete(blobs::table.find(sha256)).execute(c)?;
            }
            Ok(found)
        })?;
        let row = Row { table: "blobs", key: &"(unused)" };
        found.iter().map(|sha256| row.parse("sha256", sha256)).collect()
    }

    /// Use from now on (one per architecture; older rows are kept for history).
    pub fn put_first_stage(&mut self, stage: &FirstStage) -> Result<()> {
        let kernel_size = to_i64("size of the kernel", stage.kernel_size)?;
        let initramfs_size = to_i64("size of the initramfs", stage.initramfs_size)?;
        self.run("first stage", |c| {
            let newest: Option<i64> =
                first_stages::table.order(first_stages::seq.desc()).select(first_stages::seq).first(c).optional()?;
            let rec = FirstStageRec {
                seq: newest.unwrap_or(0) + 1,
                arch: stage.spec.arch.clone(),
                kernel: stage.spec.kernel.clone(),
                initramfs: stage.spec.initramfs.clone(),
                kernel_package: stage.spec.kernel_package.clone(),
                agent_version: stage.spec.agent_version.clone(),
                drivers: stage.spec.drivers.clone(),
                kernel_size,
                initramfs_size,
                created: stage.created_us,
            };
            diesel::insert_into(first_stages::table).values(&rec).execute(c)?;
            Ok(())
        })
    }

    /// The one in use.
    pub fn first_stage(&mut self, arch: Arch) -> Result<Option<FirstStage>> {
        let rec = self.run(format_args!("first stage for {arch}"), |c| {
            first_stages::table
                .filter(first_stages::arch.eq(arch.as_str()))
                .order(first_stages::seq.desc())
                .select(FirstStageRec::as_select())
                .first(c)
                .optional()
        })?;
        rec.map(|rec: FirstStageRec| {
            let row = Row { table: "first_stages", key: &rec.seq };
            Ok(FirstStage {
                kernel_size: row.number("kernel_size", rec.kernel_size)?,
                initramfs_size: row.number("initramfs_size", rec.initramfs_size)?,
                created_us: rec.created,
                spec: NewFirstStage {
                    arch: rec.arch,
                    kernel: rec.kernel,
                    initramfs: rec.initramfs,
                    kernel_package: rec.kernel_package,
                    agent_version: rec.agent_version,
                    drivers: rec.drivers,
                },
            })
        })
        .transpose()
    }
}
