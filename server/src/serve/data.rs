//! The data folder: one server at a time, and the admin token of its first start.

use crate::domain::secret::Secret;
use crate::durable::write_file;
use crate::error::{Error, Result};
use crate::service::{App, auth, new_secret};
use crate::vault::Vault;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Make the folder (mode 700) and lock it for the life of the file that is returned.
pub fn lock(data_dir: &Path) -> Result<File> {
    let shown = data_dir.display();
    let fail = |error: std::io::Error| {
        Error::internal(format!("cannot use the data folder {shown}: {error}; choose another with --data-dir"))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(fail)?;
    let path = data_dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Conflict(format!(
            "another higuma serve uses the data folder {shown}: stop it, or choose another with --data-dir"
        ))),
        Err(TryLockError::Error(error)) => Err(fail(error)),
    }
}

/// The file of the admin token; made at the first start. The file comes first, so that a crash between file and
/// database locks nobody out. None: this folder has none, and another server over the same database made one.
pub async fn admin_token(app: &App, data_dir: &Path) -> Result<Option<PathBuf>> {
    let path = data_dir.join("admin.token");
    let token = match std::fs::read_to_string(&path) {
        Ok(text) => text
            .trim()
            .parse::<Secret>()
            .map_err(|e| Error::BadRequest(format!("{}: {e}; remove the file to get a new token", path.display())))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A SQLite database is this folder's own: removing the file is how a lost token is replaced.
            if app.store.backend() != "sqlite" && auth::has_token(app).await? {
                return Ok(None);
            }
            let token = new_secret()?;
            write_file(&path, format!("{}\n", token.reveal()).as_bytes(), 0o600)
                .map_err(|e| Error::internal(format!("cannot write {}: {e}", path.display())))?;
            token
        }
        Err(error) => return Err(Error::internal(format!("cannot read {}: {error}", path.display()))),
    };
    auth::adopt_admin_token(app, &token).await?;
    Ok(Some(path))
}

/// The file `server-id`, made at the first start: by it a server knows again what it had under way before it ended.
pub fn server_id(data_dir: &Path) -> Result<String> {
    let path = data_dir.join("server-id");
    match std::fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<uuid::Uuid>() {
            Ok(id) => Ok(id.to_string()),
            Err(e) => Err(Error::BadRequest(format!("{}: expected a UUID: {e}; remove the file", path.display()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = uuid::Uuid::now_v7().to_string();
            write_file(&path, format!("{id}\n").as_bytes(), 0o600)
                .map_err(|e| Error::internal(format!("cannot write {}: {e}", path.display())))?;
            Ok(id)
        }
        Err(error) => Err(Error::internal(format!("cannot read {}: {error}", path.display()))),
    }
}

/// The master keys that are there: of the file `setting`, of systemd, or of the data folder.
pub async fn vault(data_dir: &Path, setting: Option<PathBuf>) -> Result<Vault> {
    let data_dir = data_dir.to_owned();
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let open = move || Vault::open(&data_dir, setting.as_deref(), credentials.as_deref());
    tokio::task::spawn_blocking(open).await.map_err(Error::internal)?
}

/// The file `url`: where the command line on this machine finds us, whatever port was chosen.
pub fn write_url(data_dir: &Path, https: SocketAddr) -> Result<()> {
    let host = match https.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    let path = data_dir.join("url");
    write_file(&path, format!("https://{host}:{}\n", https.port()).as_bytes(), 0o644)
        .map_err(|e| Error::internal(format!("cannot write {}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_knows_itself_again() {
        let dir = tempfile::tempdir().unwrap();
        let id = server_id(dir.path()).unwrap();
        assert_eq!(server_id(dir.path()).unwrap(), id);
        std::fs::write(dir.path().join("server-id"), "me").unwrap();
        assert!(server_id(dir.path()).unwrap_err().to_string().contains("remove the file"));
    }

    #[test]
    fn two_servers_do_not_share_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("deep/er");
        let first = lock(&folder).unwrap();
        assert!(lock(&folder).unwrap_err().to_string().contains("another higuma serve"));
        drop(first);
        lock(&folder).unwrap();
    }
}
