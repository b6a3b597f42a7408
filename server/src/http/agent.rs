//! A node that speaks JSON with curl: the same use cases as gRPC. Its session credential is its callback credential
//! too, for it has no second stage of ours.

use super::State;
use super::failure::Answer;
use crate::domain::boot::Boot;
use crate::domain::secret::Secret;
use crate::service::register::Registration;
use crate::service::up::Up;
use crate::service::{plan, register as registering, up, wire};
use actix_web::web::{Data, Json, Path, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use higuma_proto::api::{InstalledBody, NodeProfile, RegisterAnswer, RegisterBody};

/// POST /ipxe/{uuid}/register.
pub async fn register(state: Data<State>, path: Path<String>, body: Json<RegisterBody>) -> Answer {
    let uuid = match path.as_str() {
        "unknown" => None,
        text => Some(text.parse()?),
    };
    let RegisterBody { nonce, credential, boot_mac, inventory, neighbours } = body.into_inner();
    let request = Registration {
        nonce: nonce.parse::<Secret>()?,
        credential: credential.parse::<Secret>()?,
        uuid,
        node: None,
        boot_mac: if boot_mac.is_empty() { None } else { Some(boot_mac.parse()?) },
        inventory,
        neighbours,
    };
    let registered = registering::register(&state.app, request).await?;
    Ok(HttpResponse::Ok().json(RegisterAnswer { boot_id: registered.boot.to_string() }))
}

/// GET /ipxe/{uuid}/profile: what it would boot; changes nothing.
pub async fn profile(state: Data<State>, boot: ReqData<Boot>) -> Answer {
    let planned = plan::current(&state.app, &boot).await?;
    Ok(HttpResponse::Ok().json(NodeProfile {
        profile: planned.plan.profile.to_string(),
        revision: planned.plan.revision,
        image: planned.plan.image.as_ref().map(ToString::to_string).unwrap_or_default(),
    }))
}

/// GET /ipxe/{uuid}/detail: the whole plan; changes nothing. One with secrets is refused.
pub async fn detail(state: Data<State>, boot: ReqData<Boot>) -> Answer {
    let planned = plan::current(&state.app, &boot).await?;
    planned.without_secrets()?;
    Ok(HttpResponse::Ok().json(wire::boot_plan(&state.app, &planned)?))
}

/// POST /ipxe/{uuid}/installed: the operating system is up; again is a heartbeat.
pub async fn installed(
    state: Data<State>,
    boot: ReqData<Boot>,
    request: HttpRequest,
    body: Json<InstalledBody>,
) -> Answer {
    let InstalledBody { os, kernel } = body.into_inner();
    let peer = request.peer_addr().map(|peer| peer.ip());
    let said = Up { os, kernel, peer, ..Up::default() };
    let seconds = up::report_up(&state.app, &boot.into_inner(), said).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "heartbeat_seconds": seconds })))
}
