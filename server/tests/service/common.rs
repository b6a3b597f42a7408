//! A server's use cases over SQLite in a temporary folder, without any listener: a first stage, image `i:1` and profile `p`.

use higuma::domain::boot::Boot;
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::script::Machine;
use higuma::domain::{NodeUuid, Sha256};
use higuma::service::register::{self, Registration};
use higuma::service::{App, Settings, blobs, first_stage, images, new_secret, profiles, scripts};
use higuma::store::Store;
use higuma::vault::Vault;
use higuma_proto::agent::Inventory;
use serde_json::json;

pub struct Lab {
    pub app: App,
    dir: tempfile::TempDir,
}

#[allow(dead_code)]
impl Lab {
    /// A file of the data folder.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}

pub async fn lab(change: impl FnOnce(&mut Settings)) -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}", dir.path().join("t.db").display())).unwrap();
    let mut settings = Settings::default();
    change(&mut settings);
    let vault = Vault::open(dir.path(), None, None).unwrap();
    let app = App::new(store, settings).with_vault(vault);
    higuma::service::vault::start(&app).await.unwrap();
    let blob = Sha256::of("blob");
    blobs::record(&app, blob.clone(), 4).await.unwrap();
    let stage = json!({"arch": "x86_64", "kernel": blob.to_string(), "initramfs": blob.to_string(), "kernel_package": "",
        "agent_version": "", "drivers": "lab"});
    first_stage::put(&app, serde_json::from_value(stage).unwrap()).await.unwrap();
    let part = |role: &str| json!({"role": role, "sha256": blob.to_string()});
    let image = json!({"name": "i", "version": "1", "arch": "x86_64", "parts": [part("kernel"), part("initrd")]});
    images::create(&app, serde_json::from_value(image).unwrap()).await.unwrap();
    let profile = json!({"name": "p", "image": "i:1"});
    profiles::create(&app, serde_json::from_value(profile).unwrap()).await.unwrap();
    Lab { app, dir }
}

/// Power on: a machine of which only the UUID is known asks for its script and registers.
#[allow(dead_code)]
pub async fn power_on(app: &App, uuid: &NodeUuid) -> Boot {
    power_on_with(app, uuid, Inventory::default()).await
}

/// The same, of a machine that tells this of itself when it registers.
#[allow(dead_code)]
pub async fn power_on_with(app: &App, uuid: &NodeUuid, inventory: Inventory) -> Boot {
    let told = Told { uuid: Some(uuid.clone()), ..Told::default() };
    let machine = Machine { told, mac: None, arch: Some(Arch::X86_64) };
    let nonce = scripts::script(app, machine, "10.0.0.1:8080").await.unwrap().nonce.unwrap();
    let registration = Registration {
        nonce,
        credential: new_secret().unwrap(),
        uuid: Some(uuid.clone()),
        node: None,
        boot_mac: None,
        inventory,
        neighbours: Vec::new(),
    };
    let registered = register::register(app, registration).await.unwrap();
    app.store.read(move |tx| tx.boot(registered.boot)).await.unwrap().unwrap()
}
