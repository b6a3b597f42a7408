//! The methods of the Agent service.

use super::listen::Peer;
use super::status;
use crate::domain::boot::{Boot, Event};
use crate::domain::secret::Secret;
use crate::error::{Error, Result};
use crate::service::firmware::Said;
use crate::service::plan::PlanAnswer;
use crate::service::register::Registration;
use crate::service::up::Up;
use crate::service::{App, bmc, events, firmware, plan, register, up, wire};
use higuma_proto::agent::agent_server::Agent;
use higuma_proto::agent::get_boot_plan_response::Answer;
use higuma_proto::agent::{
    GetBmcPlanRequest, GetBmcPlanResponse, GetBootPlanRequest, GetBootPlanResponse, GetFirmwarePlanRequest,
    GetFirmwarePlanResponse, HeartbeatRequest, HeartbeatResponse, Park, RegisterRequest, RegisterResponse,
    ReportBmcRequest, ReportBmcResponse, ReportEventsRequest, ReportEventsResponse, ReportFirmwareRequest,
    ReportFirmwareResponse, ReportUpRequest, ReportUpResponse, Wait,
};
use std::net::IpAddr;
use tonic::{Request, Response, Status};

/// Calls the use cases.
#[derive(Clone)]
pub struct Methods {
    /// The use cases.
    pub app: App,
}

type Reply<T> = std::result::Result<Response<T>, Status>;

/// The boot that the guard found.
fn caller<T>(request: &Request<T>) -> std::result::Result<Boot, Status> {
    let boot = request.extensions().get::<Boot>().cloned();
    boot.ok_or_else(|| status(Error::internal("a guarded method was called without a boot")))
}

/// Who is at the other end of the connection.
fn peer<T>(request: &Request<T>) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|Peer(address)| *address)
}

fn parsed_events(events: Vec<higuma_proto::agent::Event>) -> Result<Vec<Event>> {
    let parse = |e: higuma_proto::agent::Event| Event::from_wire(e.seq, e.at_us, &e.step, &e.state, &e.message);
    Ok(events.into_iter().map(parse).collect::<std::result::Result<_, _>>()?)
}

fn registration(request: RegisterRequest) -> Result<Registration> {
    Ok(Registration {
        nonce: request.nonce.parse::<Secret>()?,
        credential: request.credential.parse::<Secret>()?,
        uuid: if request.uuid.is_empty() { None } else { Some(request.uuid.parse()?) },
        // Of no consequence, so a strange one is none.
        node: request.node.parse().ok(),
        boot_mac: if request.boot_mac.is_empty() { None } else { Some(request.boot_mac.parse()?) },
        inventory: request.inventory.unwrap_or_default(),
        neighbours: request.neighbours,
    })
}

#[tonic::async_trait]
impl Agent for Methods {
    async fn register(&self, request: Request<RegisterRequest>) -> Reply<RegisterResponse> {
        let request = registration(request.into_inner()).map_err(status)?;
        let registered = register::register(&self.app, request).await.map_err(status)?;
        let boot_id = registered.boot.to_string();
        let lldp_wait_ms = u32::try_from(registered.lldp_wait / 1_000).unwrap_or(u32::MAX);
        Ok(Response::new(RegisterResponse { boot_id, server_time_us: self.app.now(), lldp_wait_ms }))
    }

    async fn report_events(&self, request: Request<ReportEventsRequest>) -> Reply<ReportEventsResponse> {
        let boot = caller(&request)?;
        let ReportEventsRequest { events: list, neighbours, neighbours_changed } = request.into_inner();
        let list = parsed_events(list).map_err(status)?;
        let neighbours = neighbours_changed.then_some(neighbours);
        let stored = events::report(&self.app, &boot, list, neighbours).await.map_err(status)?;
        Ok(Response::new(ReportEventsResponse { stored }))
    }

    async fn get_boot_plan(&self, request: Request<GetBootPlanRequest>) -> Reply<GetBootPlanResponse> {
        let boot = caller(&request)?;
        let callback =
            request.into_inner().callback_sha256.parse().map_err(|e: crate::domain::Invalid| status(e.into()))?;
        let answer = match plan::boot_plan(&self.app, &boot, callback).await.map_err(status)? {
            PlanAnswer::Plan(planned) => Answer::Plan(wire::boot_plan(&self.app, &planned).map_err(status)?),
            PlanAnswer::Wait { reason, retry_after, ask_firmware } => {
                Answer::Wait(Wait { reason, retry_after_seconds: retry_after, ask_firmware, ask_bmc: false })
            }
            PlanAnswer::SetUpBmc { reason } => {
                Answer::Wait(Wait { reason, retry_after_seconds: 1, ask_firmware: false, ask_bmc: true })
            }
            PlanAnswer::Park { reason, action, after_seconds } => {
                Answer::Park(Park { reason, action: action.to_string(), after_seconds })
            }
        };
        Ok(Response::new(GetBootPlanResponse { answer: Some(answer) }))
    }

    async fn report_up(&self, request: Request<ReportUpRequest>) -> Reply<ReportUpResponse> {
        let (boot, peer) = (caller(&request)?, peer(&request));
        let ReportUpRequest { os, kernel, uptime_seconds, events } = request.into_inner();
        let said = Up { os, kernel, uptime_seconds, events: parsed_events(events).map_err(status)?, peer };
        let heartbeat_seconds = up::report_up(&self.app, &boot, said).await.map_err(status)?;
        Ok(Response::new(ReportUpResponse { heartbeat_seconds }))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Reply<HeartbeatResponse> {
        let (boot, peer) = (caller(&request)?, peer(&request));
        let (heartbeat_seconds, reboot) = up::heartbeat(&self.app, &boot, peer).await.map_err(status)?;
        Ok(Response::new(HeartbeatResponse { heartbeat_seconds, reboot: reboot.unwrap_or_default() }))
    }

    async fn get_firmware_plan(&self, request: Request<GetFirmwarePlanRequest>) -> Reply<GetFirmwarePlanResponse> {
        let boot = caller(&request)?;
        let answer = firmware::ask(&self.app, &boot).await.map_err(status)?;
        Ok(Response::new(wire::firmware_plan(&self.app, answer)))
    }

    async fn report_firmware(&self, request: Request<ReportFirmwareRequest>) -> Reply<ReportFirmwareResponse> {
        let boot = caller(&request)?;
        let ReportFirmwareRequest { attempt_id, exit_code, signal, timed_out, output, error } = request.into_inner();
        let said = Said { attempt: attempt_id, exit_code, signal, timed_out, output, error };
        firmware::report(&self.app, &boot, said).await.map_err(status)?;
        Ok(Response::new(ReportFirmwareResponse {}))
    }

    async fn get_bmc_plan(&self, request: Request<GetBmcPlanRequest>) -> Reply<GetBmcPlanResponse> {
        let boot = caller(&request)?;
        let found = request.into_inner().found.unwrap_or_default();
        let setup = bmc::plan(&self.app, &boot, found).await.map_err(status)?;
        Ok(Response::new(wire::bmc_plan(setup)))
    }

    async fn report_bmc(&self, request: Request<ReportBmcRequest>) -> Reply<ReportBmcResponse> {
        let boot = caller(&request)?;
        let ReportBmcRequest { plan_id, error, password, changes, found } = request.into_inner();
        let report = bmc::Report { plan: plan_id, error, password, changes, found };
        let again = bmc::report(&self.app, &boot, report).await.map_err(status)?;
        Ok(Response::new(ReportBmcResponse { again }))
    }
}
