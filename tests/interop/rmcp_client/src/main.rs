//! Checks a running erlmcp with the Rust SDK rmcp, in both eras, over HTTPS or as a child process.
//!
//! Environment: `MCP_URL`, `MCP_KEY` and `MCP_CA` (a PEM file), or `MCP_STDIO_COMMAND` (one shell
//! line). Prints one `ok - …` line a check; ends at the first failure with one sentence.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ErrorCode, GetPromptRequestParams,
    ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceError, object,
};

const HELLO: &str = "docs://manual/hello.txt";
const TIME_LIMIT: Duration = Duration::from_secs(60);

type Failure = Box<dyn Error>;
type Connected = RunningService<RoleClient, Progress>;

/// How far a tool is, and of how much.
type Step = (f64, Option<f64>);

/// Keeps what the server reports while a tool runs.
#[derive(Clone, Default)]
struct Progress(Arc<Mutex<Vec<Step>>>);

impl Progress {
    fn seen(&self) -> Vec<Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientHandler for Progress {
    async fn on_progress(
        &self,
        report: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((report.progress, report.total));
    }
}

/// A way to connect, and the revision that must come of it.
struct Mode {
    name: &'static str,
    lifecycle: ClientLifecycleMode,
    version: ProtocolVersion,
}

fn modes() -> [Mode; 3] {
    let modern = ProtocolVersion::V_2026_07_28;
    let legacy = ProtocolVersion::V_2025_11_25;
    let preferred_versions = vec![modern.clone()];
    [
        Mode {
            name: "discover",
            lifecycle: ClientLifecycleMode::Discover {
                preferred_versions: preferred_versions.clone(),
            },
            version: modern.clone(),
        },
        Mode {
            name: "auto",
            lifecycle: ClientLifecycleMode::Auto { preferred_versions, legacy_version: None },
            version: modern,
        },
        Mode { name: "initialize", lifecycle: ClientLifecycleMode::Initialize, version: legacy },
    ]
}

fn expect(holds: bool, what: &str, got: impl std::fmt::Debug) -> Result<(), Failure> {
    if holds {
        return Ok(());
    }
    let got: String = format!("{got:?}").chars().take(400).collect();
    Err(format!("{what}, got: {got}").into())
}

fn https(key: &str) -> Result<StreamableHttpClientTransport<reqwest::Client>, Failure> {
    let authority = reqwest::Certificate::from_pem(&std::fs::read(env::var("MCP_CA")?)?)?;
    let client = reqwest::Client::builder().tls_certs_only([authority]).build()?;
    let config = StreamableHttpClientTransportConfig::with_uri(env::var("MCP_URL")?);
    Ok(StreamableHttpClientTransport::with_client(client, config.auth_header(key)))
}

fn child(command: &str) -> Result<TokioChildProcess, Failure> {
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell.arg("-c").arg(format!("exec {command}"));
    Ok(TokioChildProcess::new(shell)?)
}

fn text_of(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    texts.map(|text| text.text.as_str()).collect()
}

async fn tools(client: &Connected, pass: impl Fn(&str)) -> Result<(), Failure> {
    let listed = client.list_all_tools().await?;
    let has = |name| listed.iter().any(|tool| tool.name == name);
    let all = ["echo", "add", "slow_count"].into_iter().all(has);
    expect(all, "tools/list lacks a tool of the fixture", &listed)?;
    pass("tools are listed");

    let call = |name, arguments| {
        client.call_tool(CallToolRequestParams::new(name).with_arguments(arguments))
    };
    let echo = call("echo", object!({"text": "grüße, мир"})).await?;
    let same = echo.is_error != Some(true) && text_of(&echo) == "grüße, мир";
    expect(same, "echo changed its text", &echo)?;
    pass("a tool is called");

    let add = call("add", object!({"a": 2, "b": 3})).await?;
    let five = add.structured_content == Some(serde_json::json!({"sum": 5}));
    expect(five, "add has no structured sum of 5", &add)?;
    pass("a tool answers with structured content");

    let unknown = call("no_such_tool", object!({})).await;
    let refused = match &unknown {
        Ok(result) => result.is_error == Some(true),
        Err(ServiceError::McpError(error)) => error.code == ErrorCode::INVALID_PARAMS,
        Err(_) => false,
    };
    expect(refused, "an unknown tool is not answered as one", &unknown)?;
    pass("an unknown tool is an error");

    let count = call("slow_count", object!({"count": 3})).await?;
    expect(!text_of(&count).is_empty(), "slow_count failed", &count)?;
    // Notifications are handled beside the call, and the last may still be under way.
    for _ in 0..200 {
        if client.service().seen().len() >= 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seen = client.service().seen();
    let in_order = seen == [1.0, 2.0, 3.0].map(|step| (step, Some(3.0)));
    expect(in_order, "progress is not 1, 2, 3 of 3", &seen)?;
    pass("progress is received in order");
    Ok(())
}

async fn resources(client: &Connected, pass: impl Fn(&str)) -> Result<(), Failure> {
    let listed = client.list_all_resources().await?;
    let has_hello = listed.iter().any(|resource| resource.uri == HELLO);
    expect(has_hello, "resources/list lacks hello.txt", &listed)?;
    let templates = client.list_all_resource_templates().await?;
    let has_template = templates.iter().any(|template| template.uri_template.contains('{'));
    expect(has_template, "no resource template", &templates)?;
    pass("resources and templates are listed");

    let read = client.read_resource(ReadResourceRequestParams::new(HELLO)).await?;
    let exact = matches!(
        read.contents.as_slice(),
        [ResourceContents::TextResourceContents { text, .. }] if text == "hello from a file\n"
    );
    expect(exact, "hello.txt has the wrong text", &read)?;
    pass("a resource is read");
    Ok(())
}

async fn prompts(client: &Connected, pass: impl Fn(&str)) -> Result<(), Failure> {
    let listed = client.list_all_prompts().await?;
    let has_greeting = listed.iter().any(|prompt| prompt.name == "greeting");
    expect(has_greeting, "prompts/list lacks greeting", &listed)?;
    let params = GetPromptRequestParams::new("greeting").with_arguments(object!({"name": "Ada"}));
    let prompt = client.get_prompt(params).await?;
    let texts = prompt.messages.iter().filter_map(|message| message.content.as_text());
    let named = texts.into_iter().any(|text| text.text.contains("Ada"));
    expect(named, "no Ada in the prompt", &prompt)?;
    pass("a prompt is listed and got");

    let completion = client.complete_prompt_argument("greeting", "name", "wo", None).await?;
    expect(completion.values == ["world"], "`wo` does not complete to world", &completion)?;
    pass("an argument is completed");
    Ok(())
}

async fn check(mode: &Mode, command: Option<&str>, pass: impl Fn(&str)) -> Result<(), Failure> {
    let progress = Progress::default();
    let lifecycle = mode.lifecycle.clone();
    let client = match command {
        Some(command) => progress.serve_with_lifecycle(child(command)?, lifecycle).await?,
        None => {
            let transport = https(&env::var("MCP_KEY")?)?;
            progress.serve_with_lifecycle(transport, lifecycle).await?
        }
    };
    let version = client.peer().peer_info().map(|info| info.protocol_version.clone());
    expect(
        version.as_ref() == Some(&mode.version),
        &format!("this mode should end at {}", mode.version),
        &version,
    )?;
    pass(&format!("connected with {}", mode.version));
    tools(&client, &pass).await?;
    resources(&client, &pass).await?;
    prompts(&client, &pass).await?;
    client.cancel().await?;
    if command.is_none() {
        refused(mode).await?;
        pass("a wrong key is refused");
    }
    Ok(())
}

/// A wrong key must be answered with a challenge; any other end of the attempt proves nothing.
async fn refused(mode: &Mode) -> Result<(), Failure> {
    let transport = https("not-the-key-of-this-server")?;
    match Progress::default().serve_with_lifecycle(transport, mode.lifecycle.clone()).await {
        Ok(_) => Err("a wrong key was let in".into()),
        Err(error) => {
            expect(error.is_authorization_required(), "a wrong key is not answered 401", error)
        }
    }
}

async fn run() -> Result<(), Failure> {
    let command = env::var("MCP_STDIO_COMMAND").ok();
    let transport = if command.is_some() { "stdio" } else { "https" };
    for mode in modes() {
        let label = format!("rmcp {transport} {}", mode.name);
        let pass = |what: &str| println!("ok - {label}: {what}");
        tokio::time::timeout(TIME_LIMIT, check(&mode, command.as_deref(), pass))
            .await
            .unwrap_or_else(|_| Err("not done in time".into()))
            .map_err(|failure| format!("{label}: {failure}"))?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Fails only where a provider is set already, and then there is nothing to do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("not ok - {failure}");
            ExitCode::FAILURE
        }
    }
}
