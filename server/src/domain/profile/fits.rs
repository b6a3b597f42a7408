//! Whether what a node would get, all texts rendered, goes through: to the kernel, and to the agent in one message.

use super::check::SCRIPT_MAX;
use super::mode::Mode;
use super::network::Setup;
use super::spec::{Spec, Wrong};
use super::template::has_mark;
use crate::domain::cmdline::Cmdline;
use crate::domain::sealed;

/// Of the whole command line, with room for what the agent adds; Linux 6.1 loads 2,016 bytes at most.
const CMDLINE_MAX: usize = 1_900;
/// Bytes of all files and units together: a plan is one message of at most 6 MiB.
const CONTENT_MAX: usize = 4 << 20;

impl Spec {
    /// Bytes of its files, units and users.
    pub fn content_bytes(&self) -> usize {
        let files = self.files.iter().map(|file| match file.secret {
            // Whatever its value is next.
            Some(_) => sealed::BYTES_MAX + file.path.len(),
            None => file.content.len() + file.path.len(),
        });
        let units = self.units.iter().map(|(name, unit)| unit.content.len() + name.len());
        let users = self.users.values().map(super::user::User::bytes);
        let setup = self.setup.as_ref().map(Setup::files).unwrap_or_default();
        let setup: usize = setup.iter().map(|file| file.content.len() + file.path.len()).sum();
        files.chain(units).chain(users).sum::<usize>() + self.cloud_init.bytes() + setup
    }

    /// As [`Spec::fits`], before its templates are rendered: what these are may become shorter.
    pub fn fits_unrendered(&self, image: &Cmdline) -> Result<(), Wrong> {
        match has_mark(self.cmdline.as_str()) {
            true => Spec { cmdline: Cmdline::default(), ..self.clone() }.fits(image),
            false => self.fits(image),
        }
    }

    /// With the command line of its image. Errors: what is too long.
    pub fn fits(&self, image: &Cmdline) -> Result<(), Wrong> {
        let whole = image.join(&self.cmdline);
        // A script says its own.
        if self.mode != Some(Mode::Ipxe) && whole.as_str().len() > CMDLINE_MAX {
            let expected = format!("at most {CMDLINE_MAX} bytes together with the image's");
            return Err(Wrong::new("cmdline", expected, format!("{} bytes", whole.as_str().len())));
        }
        if self.script.len() > SCRIPT_MAX {
            let expected = format!("at most {SCRIPT_MAX} bytes, rendered");
            return Err(Wrong::new("script", expected, format!("{} bytes", self.script.len())));
        }
        let bytes = self.content_bytes();
        if bytes > CONTENT_MAX {
            let expected = format!("files and units of at most {CONTENT_MAX} bytes together");
            return Err(Wrong::new("files", expected, format!("{bytes} bytes")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::spec::File;
    use super::*;

    #[test]
    fn what_is_too_long_is_told() {
        let image: Cmdline = "a".repeat(1_000).parse().unwrap();
        let spec = |bytes: usize| Spec { cmdline: "b".repeat(bytes).parse().unwrap(), ..Spec::default() };
        assert!(spec(899).fits(&image).is_ok());
        assert_eq!(spec(900).fits(&image).unwrap_err().place, "cmdline");
        let script = Spec { mode: Some(Mode::Ipxe), ..spec(900) };
        assert!(script.fits(&image).is_ok(), "no node gets that line");
        let file = |n: usize| File { path: format!("/{n}"), content: "x".repeat(CONTENT_MAX / 4), ..File::default() };
        let spec = |files: usize| Spec { files: (0..files).map(file).collect(), ..Spec::default() };
        assert!(spec(3).fits(&Cmdline::default()).is_ok());
        assert_eq!(spec(4).fits(&Cmdline::default()).unwrap_err().place, "files");
    }
}
