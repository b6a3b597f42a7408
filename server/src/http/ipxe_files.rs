//! `/boot/{file}`: iPXE's programs for firmware that boots by HTTP (UEFI 2.5 and newer, 24.7). Public: what is there is in
//! every package of iPXE.

use super::blobs::OnlySize;
use super::failure::Answer;
use super::{State, host};
use crate::domain::script::check_authority;
use crate::error::Error;
use crate::ipxe_files::{AUTOEXEC, autoexec};
use crate::service::exchanges::{self, Who};
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use higuma_proto::api::Exchange;

/// The file. UEFI knows a program by this type, or by its name's end, and asks for its length first (HEAD).
pub async fn get(state: Data<State>, file: Path<String>, request: HttpRequest) -> Answer {
    let (label, bytes) = match file.as_str() {
        AUTOEXEC => {
            let host = host(&request)?;
            check_authority(host)?;
            (AUTOEXEC, autoexec(&format!("http://{host}/boot.ipxe")))
        }
        name => state.ipxe.get(name).ok_or_else(|| {
            Error::NotFound(format!(
                "there is no such program of iPXE here; there is: {} (the folder of the setting ipxe-dir: Debian package ipxe)",
                state.ipxe.names().join(", ")
            ))
        })?,
    };
    let kind = if label == AUTOEXEC { "text/plain; charset=utf-8" } else { "application/efi" };
    let method = if request.method() == Method::HEAD { "HEAD" } else { "GET" };
    metrics::counter!("higuma_http_boot_total", "file" => label, "method" => method).increment(1);
    let peer = request.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
    tracing::info!(
        client = peer,
        file = label,
        bytes = bytes.len(),
        "HTTP boot {peer}: {method} {label:?}, {} bytes",
        bytes.len()
    );
    let Who { mac, uuid, node } =
        request.peer_addr().and_then(|peer| state.app.exchanges.who_has(peer.ip())).unwrap_or_default();
    state.app.exchanges.write(Exchange {
        result: method.to_owned(),
        detail: if method == "GET" { "by HTTP" } else { "asked for its length, by HTTP" }.to_owned(),
        mac,
        uuid,
        node,
        client: peer.clone(),
        address: peer,
        bytes: if method == "GET" { bytes.len() as u64 } else { 0 },
        ..exchanges::exchange(state.app.now(), "http-boot", label)
    });
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CONTENT_TYPE, kind)).insert_header((header::CACHE_CONTROL, "no-cache"));
    if method == "HEAD" {
        return Ok(answer.body(OnlySize(bytes.len() as u64)));
    }
    Ok(answer.body(Bytes::from_owner(bytes)))
}
