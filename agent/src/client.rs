//! The agent's end of gRPC over TLS. The server must show a certificate of our own authority for the one DNS name of
//! the installation; its address proves nothing. Every call has a deadline. Never logs a credential.

use std::time::Duration;

use higuma_proto::agent::agent_client::AgentClient;
use higuma_proto::agent::{
    BmcFound, Event, GetBmcPlanRequest, GetBmcPlanResponse, GetBootPlanRequest, GetBootPlanResponse,
    GetFirmwarePlanRequest, GetFirmwarePlanResponse, HeartbeatRequest, HeartbeatResponse, Neighbour, RegisterRequest,
    RegisterResponse, ReportBmcRequest, ReportBmcResponse, ReportEventsRequest, ReportEventsResponse,
    ReportFirmwareRequest, ReportFirmwareResponse, ReportUpRequest, ReportUpResponse,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// For one call, connecting included.
const CALL: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(10);

/// Where the server is and how it proves itself.
#[derive(Debug, Clone)]
pub struct Address {
    /// `HOST:PORT`; an IPv6 host is in brackets.
    pub grpc: String,
    /// Our certificate authority, PEM.
    pub ca_pem: String,
    /// The DNS name in the server's certificate.
    pub server_name: String,
}

/// A connection that is made when first needed and again when it broke; a clone shares it.
#[derive(Clone)]
pub struct Client {
    inner: AgentClient<Channel>,
    credential: MetadataValue<Ascii>,
}

impl Client {
    /// Prepares a connection; nothing is sent yet. Must be called inside the runtime.
    pub fn new(address: &Address, credential: &str) -> Result<Client, String> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&address.ca_pem))
            .domain_name(&address.server_name);
        let channel = Endpoint::from_shared(format!("https://{}", address.grpc))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(|e| format!("cannot use {} as the server's address: {}", address.grpc, crate::explain::chain(&e)))?
            .connect_timeout(CONNECT)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .connect_lazy();
        let mut credential = MetadataValue::try_from(format!("Bearer {credential}"))
            .map_err(|_| "the credential is not 64 hex digits".to_owned())?;
        credential.set_sensitive(true);
        let inner = AgentClient::new(channel)
            .max_decoding_message_size(higuma_proto::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(higuma_proto::MAX_MESSAGE_BYTES);
        Ok(Client { inner, credential })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(CALL);
        request.metadata_mut().insert("authorization", self.credential.clone());
        request
    }

    /// The one call that carries its credential in the message.
    pub async fn register(&self, message: RegisterRequest) -> Result<RegisterResponse, Status> {
        let mut request = Request::new(message);
        request.set_timeout(CALL);
        bounded(self.inner.clone().register(request)).await
    }

    /// Events that the server should keep; `neighbours` is the whole present list when given.
    pub async fn report(
        &self,
        events: Vec<Event>,
        neighbours: Option<Vec<Neighbour>>,
    ) -> Result<ReportEventsResponse, Status> {
        let message = ReportEventsRequest {
            events,
            neighbours_changed: neighbours.is_some(),
            neighbours: neighbours.unwrap_or_default(),
        };
        bounded(self.inner.clone().report_events(self.request(message))).await
    }

    /// What to boot.
    pub async fn boot_plan(&self, callback_sha256: String) -> Result<GetBootPlanResponse, Status> {
        bounded(self.inner.clone().get_boot_plan(self.request(GetBootPlanRequest { callback_sha256 }))).await
    }

    /// What the firmware policy has for this node.
    pub async fn firmware_plan(&self) -> Result<GetFirmwarePlanResponse, Status> {
        bounded(self.inner.clone().get_firmware_plan(self.request(GetFirmwarePlanRequest {}))).await
    }

    /// How an update ended.
    pub async fn report_firmware(&self, message: ReportFirmwareRequest) -> Result<ReportFirmwareResponse, Status> {
        bounded(self.inner.clone().report_firmware(self.request(message))).await
    }

    /// What the BMC should be, for what was found.
    pub async fn bmc_plan(&self, found: BmcFound) -> Result<GetBmcPlanResponse, Status> {
        bounded(self.inner.clone().get_bmc_plan(self.request(GetBmcPlanRequest { found: Some(found) }))).await
    }

    /// What became of the BMC's plan.
    pub async fn report_bmc(&self, message: ReportBmcRequest) -> Result<ReportBmcResponse, Status> {
        bounded(self.inner.clone().report_bmc(self.request(message))).await
    }

    /// The second stage is up.
    pub async fn up(&self, message: ReportUpRequest) -> Result<ReportUpResponse, Status> {
        bounded(self.inner.clone().report_up(self.request(message))).await
    }

    /// The second stage still lives.
    pub async fn heartbeat(&self, uptime_seconds: u64) -> Result<HeartbeatResponse, Status> {
        bounded(self.inner.clone().heartbeat(self.request(HeartbeatRequest { uptime_seconds }))).await
    }
}

/// The deadline of the request itself is the server's business; this one holds when nothing answers at all.
async fn bounded<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL + Duration::from_secs(2), call).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer in time")),
    }
}
