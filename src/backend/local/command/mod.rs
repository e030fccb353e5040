//! Tools that are programs of this host; it must never use a shell nor let a caller choose more
//! than the values of declared arguments.
//!
//! A command is started through a launcher ([`crate::jail`]) that limits itself and then becomes
//! the program. It runs in a process group of its own, which has ended when [`run`] returns. A
//! program that leaves its group on purpose (`setsid`) can only be held by a container or a
//! control group; the limits are per process, and a bound on their sum is a control group's too.

mod group;
mod interrupt;
mod pump;
mod stderr;
mod template;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Map, Value};

use self::group::Group;
pub use self::interrupt::Interrupt;
use self::pump::Pump;
pub use self::stderr::StderrLine;
use self::stderr::StderrReader;
use self::template::fill;
pub use self::template::{Argument, ArgumentError, ArgumentProblem, fill_arguments};
use crate::backend::template::Template;
use crate::jail;

/// What every command finds in its environment unless the configuration says otherwise.
const BASE_ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];

/// A configured command.
#[derive(Debug, Clone)]
pub struct CommandSpec {
    /// The program, as an absolute path; another is refused when it is started.
    pub program: PathBuf,
    /// Its arguments, without the name of the program.
    pub arguments: Vec<Argument>,
    /// Its environment beside `PATH` and `LANG`, which may be set here too. Nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// Its working directory.
    pub directory: PathBuf,
    /// What it reads on stdin; without it, or when an argument it names is absent, nothing.
    pub stdin: Option<Template>,
    /// Whether lines `progress N [TOTAL] [message]` on stderr are progress.
    pub progress: bool,
    /// What it may use.
    pub limits: CommandLimits,
}

/// What one run of a command may use.
#[derive(Debug, Clone)]
pub struct CommandLimits {
    /// From start to end of the program, without what ending its process group takes.
    pub timeout: Duration,
    /// Bytes on stdout; also the bytes of stderr that are passed on as lines.
    pub output_bytes: usize,
    /// Bytes of private writable memory of each process (`RLIMIT_DATA`).
    pub memory_bytes: u64,
    /// Seconds of processor time of each process (`RLIMIT_CPU`).
    pub cpu_seconds: u64,
    /// Processes and threads of the user (`RLIMIT_NPROC`), including the server's own if it runs
    /// as the same user. The kernel does not hold the real root to it.
    pub processes: u64,
    /// Open files of each process (`RLIMIT_NOFILE`).
    pub open_files: u64,
    /// Bytes of each file it writes (`RLIMIT_FSIZE`).
    pub file_bytes: u64,
    /// From SIGTERM to SIGKILL; also how long descendants may hold the outputs open after the
    /// program has ended.
    pub kill_grace: Duration,
}

/// The program that becomes a command: our own binary with its hidden subcommand.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// Usually `/proc/self/exe`.
    pub program: PathBuf,
    /// What selects the subcommand.
    pub prefix: Vec<OsString>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandStatus {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
}

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// How it ended.
    pub status: CommandStatus,
    /// All it wrote to stdout.
    pub stdout: Vec<u8>,
    /// The last 4 KiB it wrote to stderr.
    pub stderr_tail: Vec<u8>,
    /// Whether stderr held more than its tail.
    pub truncated: bool,
}

/// Why a command gave no output. `Display` is one sentence that may be shown to a peer.
#[derive(Debug)]
pub enum CommandError {
    /// A value cannot be given to the program.
    Argument(ArgumentError),
    /// The arguments are longer than the kernel takes.
    ArgumentsTooLong,
    /// The program was not started; the reason is for the operator.
    Spawn(String),
    /// The time was over.
    TimedOut,
    /// The [`Interrupt`] was raised.
    Cancelled,
    /// It wrote more to stdout than the limit.
    OutputTooLarge,
    /// Its pipes could not be served.
    Io(io::Error),
    /// The kernel did not end it even after SIGKILL.
    Stuck,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(error) => return error.fmt(f),
            Self::ArgumentsTooLong => "the arguments are too long for this tool",
            Self::Spawn(_) => "the tool could not be started",
            Self::TimedOut => "the tool did not finish in time",
            Self::Cancelled => "the call was cancelled",
            Self::OutputTooLarge => "the tool wrote more output than is allowed",
            Self::Io(_) | Self::Stuck => "the tool failed while it ran",
        }
        .fmt(f)
    }
}

impl std::error::Error for CommandError {}

impl From<ArgumentError> for CommandError {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error)
    }
}

/// Runs a command to its end; blocks the calling thread, which must not end before the command.
///
/// `arguments` are the arguments of the call, already checked against the tool's schema.
/// `on_line` gets every line of stderr as it comes. When this returns, the process group is gone.
///
/// # Errors
/// A [`CommandError`]. A program that ran and failed is not one: see [`CommandOutput::status`].
pub fn run(
    spec: &CommandSpec,
    launcher: &Launcher,
    arguments: &Map<String, Value>,
    interrupt: &Interrupt,
    on_line: &mut dyn FnMut(StderrLine),
) -> Result<CommandOutput, CommandError> {
    let filled = fill_arguments(&spec.arguments, arguments)?;
    let input = match &spec.stdin {
        Some(template) => fill(template, arguments)?,
        None => None,
    };
    if interrupt.is_raised() {
        return Err(CommandError::Cancelled);
    }
    let mut child = build(spec, launcher, &filled, input.is_some()).spawn().map_err(spawn_error)?;
    let reader = StderrReader::new(spec.progress, spec.limits.output_bytes, jail::FAILURE_MARKER);
    let input = input.unwrap_or_default().into_bytes();
    let pump = Pump::new(&mut child, input, &spec.limits, interrupt, reader);
    // From here on every way out of this function ends the group.
    let group = Group::new(child, spec.limits.kill_grace);
    let mut pump = pump.map_err(CommandError::Io)?;
    pump.run(&group, on_line)?;
    let (stdout, reader) = pump.into_parts();
    let status = group.finish().ok_or(CommandError::Stuck)?;
    if let Some(reason) = reader.launch_failure().filter(|_| is_launch_failure(status)) {
        return Err(CommandError::Spawn(reason.to_owned()));
    }
    let (stderr_tail, truncated) = reader.into_tail();
    Ok(CommandOutput { status: status.into(), stdout, stderr_tail, truncated })
}

fn build(spec: &CommandSpec, launcher: &Launcher, arguments: &[String], stdin: bool) -> Command {
    let limits = &spec.limits;
    let mut command = Command::new(&launcher.program);
    command.args(&launcher.prefix);
    for (option, value) in [
        ("--parent", u64::from(std::process::id())),
        ("--memory", limits.memory_bytes),
        ("--cpu", limits.cpu_seconds),
        ("--processes", limits.processes),
        ("--files", limits.open_files),
        ("--file-bytes", limits.file_bytes),
    ] {
        command.arg(option).arg(value.to_string());
    }
    command.arg("--directory").arg(&spec.directory).arg("--").arg(&spec.program).args(arguments);
    command.env_clear().envs(BASE_ENVIRONMENT);
    command.envs(spec.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(if stdin { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

fn spawn_error(error: io::Error) -> CommandError {
    if error.kind() == io::ErrorKind::ArgumentListTooLong {
        CommandError::ArgumentsTooLong
    } else {
        CommandError::Spawn(error.to_string())
    }
}

fn is_launch_failure(status: ExitStatus) -> bool {
    [jail::EXIT_FAILED, jail::EXIT_NOT_FOUND]
        .map(|code| Some(i32::from(code)))
        .contains(&status.code())
}

impl From<ExitStatus> for CommandStatus {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => Self::Exited(code),
            None => Self::Signalled(status.signal().unwrap_or_default()),
        }
    }
}
