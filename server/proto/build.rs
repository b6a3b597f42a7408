//! Compiles `proto/agent.proto` without needing `protoc` on the machine.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/agent.proto");
    let fds = protox::compile(["proto/agent.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .message_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default)]")
        .field_attribute("higuma.agent.v1.File.content", "#[serde(with = \"crate::text\")]")
        .enum_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = \"snake_case\")]")
        // These hold secrets: their Debug is written by hand, and shows none.
        .skip_debug(["higuma.agent.v1.BmcPlan", "higuma.agent.v1.File", "higuma.agent.v1.User"])
        .compile_fds(fds)?;
    Ok(())
}
