//! An OCI image to this machine, for `image import`: as whom a registry is asked, where what comes of it is kept, and what people
//! see of it. What came of a pull that was cut is in the folder for downloads, under its rules, until an import of it has
//! ended well.

use super::oci::failure;
use crate::cli::download::{Folder, Limits};
use crate::cli::error::{Failure, Result};
use crate::cli::output;
use crate::cli::progress::Progress;
use higuma_oci::{Cache, Credentials, Error, Flattened, Options, Source, Step};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// Credentials are not longer, bytes.
const LONGEST_CREDENTIALS: u64 = 1 << 20;

/// Where what comes of this image is kept; none of a file, and where there is no folder for downloads.
pub(super) fn cache(image: &str, progress: &Progress) -> Option<Cache> {
    let Ok(Source::Registry(_)) = Source::parse(image) else { return None };
    match Folder::of_person() {
        Ok(folder) => {
            folder.tidy(SystemTime::now());
            Some(Cache::new(folder.path(), Limits::default().wait))
        }
        Err(why) => {
            progress.line(&format!("what comes of the image is not kept for another run: {why}"));
            None
        }
    }
}

/// Out of the file, standard input, or what `docker login` keeps (`$DOCKER_CONFIG`, else ~/.docker).
pub(super) fn credentials(file: Option<&Path>, host: &str) -> Result<Option<Credentials>> {
    let mut text = Zeroizing::new(String::new());
    let read = |input: &mut dyn Read, text: &mut String| input.take(LONGEST_CREDENTIALS).read_to_string(text);
    match file {
        Some(path) if path == Path::new("-") => {
            read(&mut std::io::stdin().lock(), &mut text).map_err(Failure::io("read", path))?
        }
        Some(path) => {
            std::fs::File::open(path).and_then(|mut f| read(&mut f, &mut text)).map_err(Failure::io("read", path))?
        }
        None => {
            let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
            let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
            return folder.map_or(Ok(None), |folder| Credentials::of_docker(&folder, host)).map_err(failure);
        }
    };
    Credentials::read(&text, host).map(Some).map_err(failure)
}

/// Load it, with a line a step.
pub(super) fn flatten(source: &Source, scratch: &Path, options: &Options, progress: &Progress) -> Result<Flattened> {
    let mut bytes = None;
    let (mut shown, mut all, mut had) = (0, 0, 0);
    let mut on_step = |step: Step| {
        let old = matches!(step, Step::Had(_));
        match step {
            Step::Chosen { platform, layers, bytes: total } => {
                progress.line(&format!("image for {platform}: {layers} layers, {}", output::size(total)));
                (bytes, all) = (Some(progress.bytes("fetching", total)), total);
            }
            Step::Fetched(done) | Step::Had(done) => {
                let more = done.saturating_sub(shown);
                shown = done.max(shown);
                had += if old { more } else { 0 };
                if let Some(bytes) = &mut bytes {
                    if old { bytes.had(more) } else { bytes.add(more) }
                }
                if shown >= all
                    && let Some(bytes) = bytes.take()
                {
                    if had > 0 {
                        progress.line(&format!("{} of it were here, of an earlier run", output::size(had)));
                    }
                    bytes.end();
                }
            }
            Step::Again(why) => progress.line(&why),
            Step::Layer(which) => progress.line(&format!("unpacking {which}")),
        }
    };
    let loaded = higuma_oci::load(source, scratch, options, &mut on_step);
    loaded.map_err(|error| {
        let kept = matches!(error, Error::Registry { .. }) && options.cache.is_some() && shown > 0;
        let mut failed = failure(error);
        if kept {
            failed.message += "; what came is kept: run it again";
        }
        failed
    })
}
