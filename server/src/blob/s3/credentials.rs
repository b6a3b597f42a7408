//! The key pair that S3 requests are signed with: out of a file, which may be replaced while the server runs, or out of the
//! environment. Its values are shown nowhere.

use crate::error::{Error, Result};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// A file of credentials is not longer, bytes.
const LONGEST: u64 = 64 * 1024;

/// Where the keys are.
#[derive(Debug)]
pub struct Credentials {
    /// None: they were in the environment.
    file: Option<PathBuf>,
    /// As read, and the file's time then.
    known: Mutex<(Option<SystemTime>, Arc<AwsCredential>)>,
}

impl Credentials {
    /// Out of `file`; none: out of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary ones, `AWS_SESSION_TOKEN`, by
    /// `env`. Blocks.
    ///
    /// # Errors
    /// There are none, or the file cannot be read; which was expected where.
    pub fn open(file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let Some(file) = file else {
            let credential = of(&|key| env(&key.to_ascii_uppercase()).filter(|value| !value.is_empty()));
            let credential = credential.ok_or_else(|| {
                Error::internal(
                    "expected the key pair of the S3 store: in the file that blob-s3-credentials names, or in AWS_ACCESS_KEY_ID and \
                     AWS_SECRET_ACCESS_KEY; got none",
                )
            })?;
            return Ok(Self { file: None, known: Mutex::new((None, Arc::new(credential))) });
        };
        let (time, credential) = read(file)?;
        Ok(Self { file: Some(file.to_owned()), known: Mutex::new((time, Arc::new(credential))) })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, (Option<SystemTime>, Arc<AwsCredential>)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As they are now. A file that is gone or broken meanwhile does not take away what was read before. Blocks.
    fn now(&self) -> Arc<AwsCredential> {
        let (time, known) = self.known().clone();
        let Some(file) = &self.file else { return known };
        if std::fs::metadata(file).and_then(|meta| meta.modified()).ok() == time {
            return known;
        }
        match read(file) {
            Ok((time, credential)) => {
                let credential = Arc::new(credential);
                *self.known() = (time, credential.clone());
                tracing::info!("the key pair of the S3 store was read again from {}", file.display());
                credential
            }
            Err(error) => {
                tracing::warn!("the key pair of the S3 store is used as it was: {}", super::words(&error));
                known
            }
        }
    }
}

#[async_trait::async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // A look at a file's time, on a local disk.
        Ok(self.now())
    }
}

fn of(value: &dyn Fn(&str) -> Option<String>) -> Option<AwsCredential> {
    Some(AwsCredential {
        key_id: value("aws_access_key_id")?,
        secret_key: value("aws_secret_access_key")?,
        token: value("aws_session_token"),
    })
}

/// `aws_access_key_id = ...` and `aws_secret_access_key = ...`, a line each, as in AWS's own file; of several sections, the first
/// that has a key counts.
fn read(file: &Path) -> Result<(Option<SystemTime>, AwsCredential)> {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    let shown = file.display();
    let fail = |error: std::io::Error| Error::internal(format!("cannot read the S3 key pair in {shown}: {error}"));
    let opened = std::fs::File::open(file).map_err(fail)?;
    let meta = opened.metadata().map_err(fail)?;
    if meta.permissions().mode() & 0o077 != 0 {
        tracing::warn!("{shown} holds a secret key and others may read it: run `chmod 600 {shown}`");
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    opened.take(LONGEST).read_to_string(&mut text).map_err(fail)?;
    let value = |wanted: &str| {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let mut found = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim());
        found.find(|value| !value.is_empty()).map(str::to_owned)
    };
    let credential = of(&value).ok_or_else(|| {
        Error::internal(format!(
            "expected in {shown} the lines `aws_access_key_id = ...` and `aws_secret_access_key = ...`, and one of them is not there"
        ))
    })?;
    Ok((meta.modified().ok(), credential))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn out_of_a_file_that_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys");
        let none = |_: &str| None;
        assert!(super::super::words(&Credentials::open(Some(&file), &none).unwrap_err()).contains("cannot read"));
        std::fs::write(&file, "[default]\naws_access_key_id = AK\naws_secret_access_key=\n").unwrap();
        let half = super::super::words(&Credentials::open(Some(&file), &none).unwrap_err());
        assert!(half.contains("aws_secret_access_key") && !half.contains("AK"), "{half}");
        std::fs::write(&file, "[default]\nAWS_ACCESS_KEY_ID = AK\naws_secret_access_key= s=k/+\n").unwrap();
        let credentials = Credentials::open(Some(&file), &none).unwrap();
        let now = credentials.now();
        assert_eq!((now.key_id.as_str(), now.secret_key.as_str(), now.token.as_deref()), ("AK", "s=k/+", None));
        assert!(!format!("{credentials:?}").contains("s=k"), "{credentials:?}");
        // Replaced, broken, replaced again: in use is what was last read whole.
        let at = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let write = |text: &str, time| {
            std::fs::write(&file, text).unwrap();
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        };
        write("aws_access_key_id=B\naws_secret_access_key=2\n", at(1_000));
        assert_eq!(credentials.now().key_id, "B");
        write("nothing", at(2_000));
        assert_eq!(credentials.now().key_id, "B");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(credentials.now().key_id, "B");
        write("aws_access_key_id=C\naws_secret_access_key=3\naws_session_token=t\n", at(3_000));
        assert_eq!((credentials.now().key_id.as_str(), credentials.now().token.as_deref()), ("C", Some("t")));
    }

    #[test]
    fn out_of_the_environment() {
        let env = |key: &str| match key {
            "AWS_ACCESS_KEY_ID" => Some("AK".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("SK".to_owned()),
            _ => None,
        };
        assert_eq!(Credentials::open(None, &env).unwrap().now().secret_key, "SK");
        let none = super::super::words(&Credentials::open(None, &|_| None).unwrap_err());
        assert!(none.contains("blob-s3-credentials") && none.contains("AWS_SECRET_ACCESS_KEY"), "{none}");
    }
}
