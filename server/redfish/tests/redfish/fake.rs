//! A small Redfish service: resources as JSON, sessions, ETags, and answers that a test puts in the way. One request a
//! connection, so that each shows the certificate.

use higuma_redfish::{Client, Limits, RedfishError, Secret, Target};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub const USER: &str = "higuma";
pub const PASSWORD: &str = "hunter2-correct-horse";
pub const SYSTEM: &str = "/redfish/v1/Systems/1";
/// Virtual drives, and the one.
pub const DRIVES: &str = "/redfish/v1/Systems/1/VirtualMedia";
pub const DRIVE: &str = "/redfish/v1/Systems/1/VirtualMedia/Cd1";
pub const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// Lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

/// What to answer.
#[derive(Clone)]
pub enum Reply {
    Json(u16, Vec<(&'static str, String)>, Value),
    /// Bytes as they are; then the connection is closed.
    Raw(Vec<u8>),
    /// Nothing, and the connection stays open.
    Silence,
}

pub fn ok(body: Value) -> Reply {
    Reply::Json(200, vec![], body)
}

pub fn status(status: u16, message: &str) -> Reply {
    let info = json!([{"MessageId": "Base.1.0.X", "Message": message}]);
    Reply::Json(status, vec![], json!({"error": {"code": "x", "message": "y", "@Message.ExtendedInfo": info}}))
}

pub struct State {
    pub resources: BTreeMap<String, Value>,
    /// Answers to "METHOD /path", used up one by one before anything else is looked at; the last of `always` stays.
    once: BTreeMap<String, VecDeque<Reply>>,
    always: BTreeMap<String, Reply>,
    pub password: String,
    pub tokens: Vec<String>,
    pub logins: usize,
    pub basic: bool,
    pub etags: bool,
    versions: BTreeMap<String, u64>,
    seen: Vec<Seen>,
}

pub struct Fake {
    pub url: String,
    state: Arc<Mutex<State>>,
    acceptor: Arc<Mutex<Option<TlsAcceptor>>>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A service with one system, off, and one manager.
pub fn resources() -> BTreeMap<String, Value> {
    let id = |path: &str| json!({"@odata.id": path});
    let all = [
        (
            "/redfish/v1/",
            json!({"RedfishVersion": "1.18.0", "UUID": "AAAA0000-0000-0000-0000-000000000001", "Vendor": "Acme",
            "Product": "BMC 9", "Systems": id("/redfish/v1/Systems"), "Managers": id("/redfish/v1/Managers"),
            "Chassis": id("/redfish/v1/Chassis"), "AccountService": id("/redfish/v1/AccountService"),
            "UpdateService": id("/redfish/v1/UpdateService"), "Links": {"Sessions": id(SESSIONS)}}),
        ),
        ("/redfish/v1/Systems", json!({"Members": [id(SYSTEM)]})),
        (
            SYSTEM,
            json!({"@odata.id": SYSTEM, "Id": "1", "Name": "System", "UUID": "27946B59-9E44-4FA7-8E91-F3527A1EF094",
            "PowerState": "Off", "Manufacturer": "Acme", "Model": "M1", "SerialNumber": "S1",
            "Links": {"ManagedBy": [id("/redfish/v1/Managers/1")], "Chassis": [id("/redfish/v1/Chassis/1")]},
            "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None", "BootSourceOverrideMode": "Legacy",
                "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd", "Cd"]},
            "Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "ForceRestart"]}}}),
        ),
        ("/redfish/v1/Managers", json!({"Members": [id("/redfish/v1/Managers/1")]})),
        ("/redfish/v1/Managers/1", json!({"Id": "1", "FirmwareVersion": "2.10"})),
        ("/redfish/v1/Chassis", json!({"Members": [id("/redfish/v1/Chassis/1")]})),
        ("/redfish/v1/Chassis/1", json!({"Id": "1"})),
    ];
    all.into_iter().map(|(path, value)| (path.to_owned(), value)).collect()
}

impl Fake {
    pub async fn start() -> Self {
        Self::serve(None).await
    }

    /// Over TLS, with a certificate as BMCs have them: self-signed, for another name than the one that is asked for.
    pub async fn secure() -> Self {
        let made = rcgen::generate_simple_self_signed(["bmc.invalid".into()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self::serve(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// The system has one virtual drive, `Cd1`, empty; what is inserted is seen as a request, and shown when a test puts it there.
    pub fn add_drive(&self) {
        let id = |path: &str| json!({"@odata.id": path});
        self.merge(SYSTEM, json!({"VirtualMedia": id(DRIVES)}));
        self.put(DRIVES, json!({"Members": [id(DRIVE)]}));
        let action = |name: &str| json!({"target": format!("{DRIVE}/Actions/{name}")});
        let actions =
            json!({"#VirtualMedia.InsertMedia": action("Insert"), "#VirtualMedia.EjectMedia": action("Eject")});
        let drive = json!({"@odata.id": DRIVE, "Id": "Cd1", "Name": "Virtual CD", "MediaTypes": ["CD", "DVD"], "Image": null,
            "Inserted": false, "WriteProtected": true, "Actions": actions});
        self.put(DRIVE, drive);
    }

    pub async fn serve(acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let state = State {
            resources: resources(),
            once: BTreeMap::new(),
            always: BTreeMap::new(),
            password: PASSWORD.into(),
            tokens: vec![],
            logins: 0,
            basic: false,
            etags: false,
            versions: BTreeMap::new(),
            seen: vec![],
        };
        let (state, acceptor) = (Arc::new(Mutex::new(state)), Arc::new(Mutex::new(acceptor)));
        let (shared, tls) = (state.clone(), acceptor.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, tls) = (shared.clone(), tls.lock().unwrap().clone());
                tokio::spawn(async move {
                    match tls {
                        None => talk(stream, &shared).await,
                        // A client that does not like the certificate goes away here.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => talk(stream, &shared).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { url, state, acceptor, task }
    }

    /// From now on another certificate.
    pub fn present(&self, acceptor: TlsAcceptor) {
        *self.acceptor.lock().unwrap() = Some(acceptor);
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    pub fn put(&self, path: &str, value: Value) {
        self.change(|state| state.resources.insert(path.into(), value));
    }

    /// Merges into a resource.
    pub fn merge(&self, path: &str, value: Value) {
        self.change(|state| merge(state.resources.get_mut(path).unwrap(), &value));
    }

    /// The next answer to "METHOD /path" (after those that were given before).
    pub fn next(&self, request: &str, reply: Reply) {
        self.change(|state| state.once.entry(request.into()).or_default().push_back(reply));
    }

    pub fn always(&self, request: &str, reply: Reply) {
        self.change(|state| state.always.insert(request.into(), reply));
    }

    pub fn resource(&self, path: &str) -> Value {
        self.change(|state| state.resources[path].clone())
    }

    /// The requests "METHOD /path" that came.
    pub fn seen(&self, request: &str) -> Vec<Seen> {
        let fits = |seen: &&Seen| format!("{} {}", seen.method, seen.path) == request;
        self.change(|state| state.seen.iter().filter(fits).cloned().collect())
    }

    pub fn seen_all(&self) -> usize {
        self.change(|state| state.seen.len())
    }

    pub fn target(&self) -> Target {
        Target {
            url: self.url.clone(),
            allow_http: true,
            user: USER.into(),
            password: Secret::new(PASSWORD),
            fingerprint: None,
            system: None,
            limits: Limits { gap: Duration::ZERO, ..Limits::default() },
        }
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.target()).await.unwrap()
    }

    pub async fn refusal(&self) -> RedfishError {
        Client::connect(&self.target()).await.unwrap_err()
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl State {
    fn reply(&mut self, seen: &Seen) -> Reply {
        let request = format!("{} {}", seen.method, seen.path);
        if let Some(reply) = self.once.get_mut(&request).and_then(VecDeque::pop_front) {
            return reply;
        }
        if let Some(reply) = self.always.get(&request) {
            return reply.clone();
        }
        if request == format!("POST {SESSIONS}") {
            self.logins += 1;
            if seen.body != json!({"UserName": USER, "Password": self.password}) {
                return status(401, "Invalid user name or password");
            }
            let token = format!("token-{}", self.logins);
            self.tokens.push(token.clone());
            let location = format!("{SESSIONS}/{}", self.logins);
            return Reply::Json(201, vec![("X-Auth-Token", token), ("Location", location)], json!({"Id": "s"}));
        }
        let token = seen.headers.get("x-auth-token").is_some_and(|token| self.tokens.contains(token));
        let basic = self.basic && seen.headers.contains_key("authorization");
        if !(token || basic || seen.path == "/redfish/v1/") {
            return status(401, "No valid session");
        }
        let path = seen.path.split('?').next().unwrap().to_owned();
        match seen.method.as_str() {
            "DELETE" if path.starts_with(SESSIONS) => {
                self.tokens.retain(|token| seen.headers.get("x-auth-token") != Some(token));
                Reply::Json(204, vec![], Value::Null)
            }
            "POST" if path.contains("/Actions/") => Reply::Json(204, vec![], Value::Null),
            "GET" if self.resources.contains_key(&path) => {
                Reply::Json(200, self.tag(&path), self.resources[&path].clone())
            }
            "PATCH" if self.resources.contains_key(&path) => {
                let tag = self.tag(&path).pop().map(|(_, tag)| tag);
                if tag.is_some() && seen.headers.get("if-match") != tag.as_ref() {
                    return status(412, "The ETag does not match");
                }
                *self.versions.entry(path.clone()).or_default() += 1;
                merge(self.resources.get_mut(&path).unwrap(), &seen.body);
                ok(json!({}))
            }
            _ => status(404, "No such resource"),
        }
    }

    fn tag(&self, path: &str) -> Vec<(&'static str, String)> {
        let version = self.versions.get(path).copied().unwrap_or_default();
        if self.etags { vec![("ETag", format!("W/\"{version}\""))] } else { vec![] }
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) -> Option<()> {
    let seen = read(&mut stream).await?;
    let reply = {
        let mut state = state.lock().unwrap();
        state.seen.push(seen.clone());
        state.reply(&seen)
    };
    let bytes = match reply {
        Reply::Silence => return std::future::pending().await,
        Reply::Raw(bytes) => bytes,
        Reply::Json(status, headers, body) => {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
                .into_bytes()
        }
    };
    stream.write_all(&bytes).await.ok()?;
    stream.shutdown().await.ok()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
            let header =
                |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
            let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
            let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                let body = serde_json::from_str(body).unwrap_or_default();
                return Some(Seen { method, path, headers, body });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
