//! What the server offers of its own: tools, resources, prompts; it must never run one.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::local::command::Argument;
use super::template::Template;
use crate::base::secret::Secret;
use crate::mcp::definitions::TaskSupport;
use crate::mcp::methods::Permission;

/// The built-in tools that tell about the host.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// Whether they are offered; default true.
    pub enabled: bool,
    /// Log files that may be read by name; default none.
    pub log_files: Vec<LogFile>,
    /// Services whose state may be asked for by name; default none.
    pub services: Vec<Service>,
    /// Processes listed at most; default 50.
    pub max_processes: usize,
}

/// A log file that callers may read.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// The name callers use.
    pub name: String,
    /// The file; callers never see or choose it. A symbolic link as its last part is refused.
    pub path: PathBuf,
}

/// A service whose state callers may ask for.
#[derive(Clone, Debug)]
pub struct Service {
    /// The name callers use, and the systemd unit without `.service` where there is no PID file.
    pub name: String,
    /// The file in which it keeps the number of its main process; default none.
    pub pid_file: Option<PathBuf>,
}

/// A tool that runs a program.
#[derive(Clone, Debug)]
pub struct ToolSettings {
    /// The unique name, 1 to 64 characters.
    pub name: String,
    /// A name for people; default none.
    pub title: Option<String>,
    /// What the tool does, for the model.
    pub description: String,
    /// The program, an absolute path.
    pub program: PathBuf,
    /// Its arguments; no shell ever reads them.
    pub arguments: Vec<Argument>,
    /// JSON Schema of the call's arguments; default an object without properties.
    pub input_schema: Value,
    /// JSON Schema of the structured result; default none.
    pub output_schema: Option<Value>,
    /// How standard output is read; default text.
    pub output: ToolOutput,
    /// What is written to standard input; default nothing.
    pub stdin: Option<Template>,
    /// The whole environment of the program; default empty.
    pub environment: Vec<(String, Secret)>,
    /// The working directory; default `/`.
    pub directory: PathBuf,
    /// What a caller needs; default execute, or read for a tool that only reads.
    pub permission: Permission,
    /// What clients are told about the tool's effects.
    pub hints: ToolHints,
    /// Whether lines on standard error are sent as progress; default false.
    pub progress: bool,
    /// Whether a call may become a task; default forbidden.
    pub tasks: TaskSupport,
    /// The bounds of one run.
    pub limits: ToolLimits,
}

/// How standard output of a program becomes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolOutput {
    /// As text.
    Text,
    /// As a JSON value, which becomes the structured result.
    Json,
}

/// The annotations of a tool (MCP specification, server/tools).
#[derive(Clone, Copy, Debug)]
pub struct ToolHints {
    /// The tool changes nothing; default false.
    pub read_only: bool,
    /// What the tool changes may be lost; default true.
    pub destructive: bool,
    /// A second call with the same arguments changes nothing more; default false.
    pub idempotent: bool,
    /// The tool reaches beyond this host; default true.
    pub open_world: bool,
}

/// The bounds of one run of a program.
#[derive(Clone, Copy, Debug)]
pub struct ToolLimits {
    /// Time until it is killed; default 30 s.
    pub timeout: Duration,
    /// Bytes of output; default 1 MiB.
    pub max_output_bytes: usize,
    /// Bytes of address space; default 512 MiB.
    pub memory_bytes: u64,
    /// Processor time; default 30 s.
    pub cpu: Duration,
    /// Processes of the user; default 64.
    pub processes: u64,
    /// Open files; default 256.
    pub open_files: u64,
    /// Bytes of one written file; default 64 MiB.
    pub file_bytes: u64,
}

/// Something to read.
#[derive(Clone, Debug)]
pub enum ResourceSettings {
    /// One file.
    File(FileResource),
    /// The files below a directory.
    Root(RootResource),
}

/// One file that callers may read.
#[derive(Clone, Debug)]
pub struct FileResource {
    /// The unique URI callers use.
    pub uri: String,
    /// The file.
    pub file: PathBuf,
    /// What callers are told about it.
    pub about: ResourceAbout,
    /// Its media type; default guessed from the name.
    pub mime_type: Option<String>,
    /// Bytes of a file that is still read; default 1 MiB.
    pub max_bytes: u64,
    /// Whether subscribers are told of changes; default true.
    pub watch: bool,
}

/// A directory whose files callers may list and read.
#[derive(Clone, Debug)]
pub struct RootResource {
    /// What the URIs of its files begin with; ends in `/`.
    pub uri_prefix: String,
    /// The directory.
    pub root: PathBuf,
    /// What callers are told about it.
    pub about: ResourceAbout,
    /// Bytes of a file that is still read; default 1 MiB.
    pub max_bytes: u64,
    /// Files listed at most; default 10 000.
    pub max_entries: usize,
    /// Directories below one another at most; default 16.
    pub max_depth: usize,
    /// Whether names that begin with a dot are shown; default false.
    pub hidden: bool,
    /// Whether links are followed, still never out of the directory; default false.
    pub follow_symlinks: bool,
    /// Whether subscribers are told of changes; default true.
    pub watch: bool,
}

/// What callers are told about a resource.
#[derive(Clone, Debug)]
pub struct ResourceAbout {
    /// Its name.
    pub name: String,
    /// A name for people; default none.
    pub title: Option<String>,
    /// What it holds; default none.
    pub description: Option<String>,
}

/// A prompt with arguments.
#[derive(Clone, Debug)]
pub struct PromptSettings {
    /// The unique name, 1 to 64 characters.
    pub name: String,
    /// A name for people; default none.
    pub title: Option<String>,
    /// What the prompt is for.
    pub description: String,
    /// What the caller fills in; default nothing.
    pub arguments: Vec<PromptArgument>,
    /// The messages, at least one.
    pub messages: Vec<PromptMessage>,
}

/// One argument of a prompt.
#[derive(Clone, Debug)]
pub struct PromptArgument {
    /// The name that placeholders use.
    pub name: String,
    /// A name for people; default none.
    pub title: Option<String>,
    /// What to fill in; default none.
    pub description: Option<String>,
    /// Whether it must be given; default false.
    pub required: bool,
    /// Values proposed for completion; default none.
    pub values: Vec<String>,
}

/// One message of a prompt.
#[derive(Clone, Debug)]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: Template,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}
