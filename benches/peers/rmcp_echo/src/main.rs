//! `rmcp-echo ADDRESS`: the Streamable HTTP server of the Rust SDK with an `echo` tool, without
//! sessions and with JSON answers: the fastest way that the SDK can be set to.

use std::error::Error;
use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Arguments {
    text: String,
}

#[derive(Clone)]
struct Echo {
    tools: ToolRouter<Self>,
}

#[tool_router(router = tools)]
impl Echo {
    #[tool(description = "Returns its text")]
    fn echo(&self, Parameters(arguments): Parameters<Arguments>) -> String {
        arguments.text
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: rmcp-echo ADDRESS")?;
    let mut settings = StreamableHttpServerConfig::default();
    settings.legacy_session_mode = false;
    settings.json_response = true;
    let sessions = Arc::new(LocalSessionManager::default());
    let service =
        StreamableHttpService::new(|| Ok(Echo { tools: Echo::tools() }), sessions, settings);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await?;
    Ok(())
}
