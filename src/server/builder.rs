//! How a server is put together: a configuration, and tools, resources and prompts that a program
//! brings along.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::running::Server;
use crate::actors::listener;
use crate::backend::catalog::{Catalog, Checking, OfferError};
use crate::backend::context::Context;
use crate::backend::provider::{Arguments, Failure, PromptHandler, ResourceProvider, ToolHandler};
use crate::base::ids::NoRandomness;
use crate::config::{Configuration, Problems, Sources, SystemSources};
use crate::mcp::definitions::{Prompt, Tool};
use crate::mcp::result::ToolResult;

/// Why a server does not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration has problems.
    Configuration(Problems),
    /// Something cannot be offered.
    Offer(OfferError),
    /// The operating system refused something; what it was for, and why.
    System(String, io::Error),
    /// A certificate or key cannot be used.
    Tls(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(problems) => problems.fmt(f),
            Self::Offer(error) => write!(f, "cannot offer {error}"),
            Self::System(what, error) => write!(f, "{what}: {error}"),
            Self::Tls(what) => write!(f, "tls: {what}"),
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::System(what, error)
    }

    pub(super) fn resource(path: &Path, error: &impl fmt::Display) -> Self {
        let what = format!("the resource {}", path.display());
        Self::System(what, io::Error::other(error.to_string()))
    }
}

impl From<OfferError> for StartError {
    fn from(error: OfferError) -> Self {
        Self::Offer(error)
    }
}

impl From<NoRandomness> for StartError {
    fn from(error: NoRandomness) -> Self {
        Self::System("randomness".into(), io::Error::other(error))
    }
}

impl From<Problems> for StartError {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems)
    }
}

/// A tool that a program brings along.
struct ExtraTool {
    definition: Tool,
    handler: Arc<dyn ToolHandler>,
    is_quick: bool,
}

/// All that a program brings along; kept, so that a reload offers it again.
pub(super) struct Extras {
    pub(super) launcher: PathBuf,
    tools: Vec<ExtraTool>,
    prompts: Vec<(Prompt, Arc<dyn PromptHandler>)>,
    resources: Vec<Arc<dyn ResourceProvider>>,
}

impl Extras {
    pub(super) fn offer(
        &self,
        catalog: &mut Catalog,
        checking: Checking,
    ) -> Result<(), OfferError> {
        for tool in &self.tools {
            let handler = Arc::clone(&tool.handler);
            catalog.add_tool(&tool.definition, handler, tool.is_quick, checking)?;
        }
        for (definition, handler) in &self.prompts {
            catalog.add_prompt(definition, Arc::clone(handler))?;
        }
        for provider in &self.resources {
            catalog.add_resources(Arc::clone(provider));
        }
        Ok(())
    }
}

/// Where the configuration is from; a reload reads it again.
pub(super) enum Origin {
    /// A file.
    File(PathBuf),
    /// Nowhere that could change.
    Fixed(Box<Configuration>),
}

impl Origin {
    pub(super) fn load(&self, sources: &dyn Sources) -> Result<Configuration, Problems> {
        match self {
            Self::File(path) => crate::config::load(path, sources),
            Self::Fixed(configuration) => Ok((**configuration).clone()),
        }
    }
}

/// Builds a [`Server`].
///
/// ```
/// use erlmcp::{Builder, Tool, ToolResult};
///
/// let builder = Builder::from_toml("[transports.stdio]\n[host]\nenabled = false\n")?
///     .quick_tool(Tool::new("hello", "Says hello").read_only(), |_context, _arguments| {
///         Ok(ToolResult::text("hello"))
///     });
/// # Ok::<(), erlmcp::StartError>(())
/// ```
pub struct Builder {
    pub(super) origin: Origin,
    pub(super) extras: Extras,
    pub(super) stdio_only: bool,
}

impl Builder {
    /// Begins with a configuration file, which a reload reads again.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self::new(Origin::File(path.into()))
    }

    /// Begins with the text of a configuration.
    ///
    /// # Errors
    /// The problems of the text.
    pub fn from_toml(text: &str) -> Result<Self, StartError> {
        let configuration = crate::config::parse(text, "configuration", &SystemSources)?;
        Ok(Self::from_configuration(configuration))
    }

    /// Begins with a configuration that is read already.
    pub fn from_configuration(configuration: Configuration) -> Self {
        Self::new(Origin::Fixed(Box::new(configuration)))
    }

    fn new(origin: Origin) -> Self {
        Self {
            origin,
            extras: Extras {
                launcher: PathBuf::from("/proc/self/exe"),
                tools: Vec::new(),
                prompts: Vec::new(),
                resources: Vec::new(),
            },
            stdio_only: false,
        }
    }

    /// Names the program that starts command tools: one whose first argument `jail` leads to
    /// [`crate::jail::enter`]. Without it, it is the running program itself.
    #[must_use]
    pub fn launcher(mut self, program: impl Into<PathBuf>) -> Self {
        self.extras.launcher = program.into();
        self
    }

    /// Serves standard input and output and no network, whatever the configuration says.
    #[must_use]
    pub fn stdio_only(mut self) -> Self {
        self.stdio_only = true;
        self
    }

    /// Offers a tool; its handler may block.
    #[must_use]
    pub fn tool<H>(self, definition: Tool, handler: H) -> Self
    where
        H: Fn(&Context, Arguments) -> Result<ToolResult, Failure> + Send + Sync + 'static,
    {
        self.tool_handler(definition, Arc::new(handler), false)
    }

    /// Offers a tool whose handler never blocks and is done within microseconds: it runs where the
    /// request was read, without a change of threads.
    #[must_use]
    pub fn quick_tool<H>(self, definition: Tool, handler: H) -> Self
    where
        H: Fn(&Context, Arguments) -> Result<ToolResult, Failure> + Send + Sync + 'static,
    {
        self.tool_handler(definition, Arc::new(handler), true)
    }

    /// Offers a tool.
    #[must_use]
    pub fn tool_handler(
        mut self,
        definition: Tool,
        handler: Arc<dyn ToolHandler>,
        is_quick: bool,
    ) -> Self {
        self.extras.tools.push(ExtraTool { definition, handler, is_quick });
        self
    }

    /// Offers a prompt.
    #[must_use]
    pub fn prompt(mut self, definition: Prompt, handler: Arc<dyn PromptHandler>) -> Self {
        self.extras.prompts.push((definition, handler));
        self
    }

    /// Offers a set of resources.
    #[must_use]
    pub fn resources(mut self, provider: Arc<dyn ResourceProvider>) -> Self {
        self.extras.resources.push(provider);
        self
    }

    /// Opens listeners and files and starts the threads.
    ///
    /// # Errors
    /// The first thing that keeps the server from starting.
    pub fn start(self) -> Result<Server, StartError> {
        Server::start(self)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

/// Opens the sockets of a listener. Where the system has only one family of addresses, the loopback
/// address of the other one is left out; where it chooses the port, both have the same.
pub(super) fn bind(addresses: &[SocketAddr]) -> Result<Vec<std::net::TcpListener>, StartError> {
    let mut sockets: Vec<std::net::TcpListener> = Vec::new();
    let mut absent = None;
    for address in addresses {
        let mut address = *address;
        if let Some(Ok(first)) = sockets.first().map(std::net::TcpListener::local_addr)
            && address.port() == 0
            && address.is_ipv6() != first.is_ipv6()
        {
            address.set_port(first.port());
        }
        match listener::bind(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if listener::is_absent(address, &error) => absent = Some((address, error)),
            Err(error) => return Err(cannot_listen(address, error)),
        }
    }
    match absent {
        Some((address, error)) if sockets.is_empty() => Err(cannot_listen(address, error)),
        Some((address, error)) => {
            log::warn!("not listening on {address}, which this system does not have: {error}");
            Ok(sockets)
        }
        None => Ok(sockets),
    }
}

fn cannot_listen(address: SocketAddr, error: io::Error) -> StartError {
    StartError::System(format!("cannot listen on {address}"), error)
}
