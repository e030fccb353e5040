//! The inside of the launcher: limits this process and becomes the tool's program; it must never
//! return to serving.
//!
//! Limits are set here, in a process that is already our own, because setting them between fork
//! and exec of the server would need `unsafe`. Two things are left to others for the same reason:
//!
//! - descriptors above 2 are not closed here, since no safe call can close a descriptor it does
//!   not own; the standard library opens everything close-on-exec, so only what was inherited by
//!   the server itself without that flag could reach a tool;
//! - the signal mask and the disposition of SIGPIPE are reset by [`std::process::Command`], on
//!   spawn and again on exec; handlers end with exec. A signal the server was started with as
//!   ignored (`nohup`) stays ignored.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Resource, Rlimit, Signal};

/// What the one line on stderr starts with when the launcher could not become the program.
pub const FAILURE_MARKER: &str = "erlmcp-jail: cannot start: ";
/// The exit code when the launcher itself failed or the program may not be executed.
pub const EXIT_FAILED: u8 = 126;
/// The exit code when the program does not exist.
pub const EXIT_NOT_FOUND: u8 = 127;

/// Why the launcher could not become the program.
#[derive(Debug)]
pub enum JailError {
    /// The launcher's own arguments were wrong.
    Usage(&'static str),
    /// The server ended before the launcher could ask to die with it.
    Orphaned,
    /// A limit could not be set.
    Limit(&'static str, io::Error),
    /// The working directory could not be entered.
    Directory(io::Error),
    /// The program could not be executed.
    Exec(io::Error),
}

impl fmt::Display for JailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => f.write_str(what),
            Self::Orphaned => f.write_str("the server has ended"),
            Self::Limit(name, error) => write!(f, "limit on {name}: {error}"),
            Self::Directory(error) => write!(f, "working directory: {error}"),
            Self::Exec(error) => write!(f, "program: {error}"),
        }
    }
}

impl std::error::Error for JailError {}

impl JailError {
    /// Writes the failure line that the server waits for and names the exit code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        // One write, so that nothing can come between; if stderr is gone, nobody is reading.
        let line = format!("{FAILURE_MARKER}{self}\n");
        let _ = io::stderr().write_all(line.as_bytes());
        match self {
            Self::Exec(error) if error.kind() == io::ErrorKind::NotFound => {
                ExitCode::from(EXIT_NOT_FOUND)
            }
            _ => ExitCode::from(EXIT_FAILED),
        }
    }
}

/// Limits this process and executes a program in its place; returns only on failure.
///
/// `arguments` are those after the subcommand: `--parent PID --memory BYTES --cpu SECONDS
/// --processes N --files N --file-bytes BYTES --directory DIR -- PROGRAM ARGUMENT…`. Every option
/// is required once, so that a limit cannot be forgotten. The environment is passed on as it is.
pub fn enter(arguments: impl Iterator<Item = OsString>) -> JailError {
    match Plan::parse(arguments).and_then(Plan::execute) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// The type of a value that cannot exist: success does not return.
enum Never {}

#[derive(Default)]
struct Plan {
    parent: Option<u64>,
    memory: Option<u64>,
    cpu: Option<u64>,
    processes: Option<u64>,
    files: Option<u64>,
    file_bytes: Option<u64>,
    directory: Option<PathBuf>,
    command: Vec<OsString>,
}

impl Plan {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, JailError> {
        let mut plan = Self::default();
        loop {
            let Some(option) = arguments.next() else {
                return Err(JailError::Usage("no -- before the program"));
            };
            if option == "--" {
                plan.command = arguments.collect();
                return Ok(plan);
            }
            let Some(value) = arguments.next() else {
                return Err(JailError::Usage("an option has no value"));
            };
            let slot = match option.as_bytes() {
                b"--parent" => &mut plan.parent,
                b"--memory" => &mut plan.memory,
                b"--cpu" => &mut plan.cpu,
                b"--processes" => &mut plan.processes,
                b"--files" => &mut plan.files,
                b"--file-bytes" => &mut plan.file_bytes,
                b"--directory" => {
                    plan.directory = Some(value.into());
                    continue;
                }
                _ => return Err(JailError::Usage("an unknown option")),
            };
            let number = value.to_str().and_then(|text| text.parse().ok());
            *slot = Some(number.ok_or(JailError::Usage("an option is not a number"))?);
        }
    }

    fn execute(self) -> Result<Never, JailError> {
        let missing = || JailError::Usage("an option is missing");
        die_with(self.parent.ok_or_else(missing)?)?;
        let directory = self.directory.ok_or_else(missing)?;
        std::env::set_current_dir(&directory).map_err(JailError::Directory)?;
        let (program, arguments) = self.command.split_first().ok_or_else(missing)?;
        if !Path::new(program).is_absolute() {
            return Err(JailError::Usage("the program is not an absolute path"));
        }
        // Everything that allocates comes before the limit on memory.
        let mut command = Command::new(program);
        command.args(arguments);
        limit("core dumps", Resource::Core, 0, 0)?;
        limit_to("open files", Resource::Nofile, self.files.ok_or_else(missing)?)?;
        limit_to("file size", Resource::Fsize, self.file_bytes.ok_or_else(missing)?)?;
        // Counts every process and thread of the user. The kernel does not hold the real root to
        // it, but does hold a program that root's tool starts under another user.
        limit_to("processes", Resource::Nproc, self.processes.ok_or_else(missing)?)?;
        // SIGXCPU at the limit, SIGKILL one second later for those that ignore it.
        let cpu = self.cpu.ok_or_else(missing)?;
        limit("processor time", Resource::Cpu, cpu, cpu.saturating_add(1))?;
        // DATA and not AS: since Linux 4.7 it counts every private writable page that a process
        // asked for, by brk or by mmap. AS would also count address space that is only reserved,
        // which collectors and JIT compilers do by the gigabyte without using it. Neither counts
        // memory that processes share; that, and a sum over processes, only a control group can.
        limit_to("memory", Resource::Data, self.memory.ok_or_else(missing)?)?;
        rustix::thread::set_no_new_privs(true)
            .map_err(|error| JailError::Limit("privileges", error.into()))?;
        Err(JailError::Exec(command.exec()))
    }
}

/// Asks the kernel to kill this process when the thread that started it ends.
///
/// The request outlives exec, but not fork: what the program starts is found by its process group.
fn die_with(parent: u64) -> Result<(), JailError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| JailError::Limit("lifetime", error.into()))?;
    // The parent may have ended before the request was made.
    let now = rustix::process::getppid().map(Pid::as_raw_pid).and_then(|pid| pid.try_into().ok());
    if now == Some(parent) { Ok(()) } else { Err(JailError::Orphaned) }
}

fn limit_to(name: &'static str, resource: Resource, value: u64) -> Result<(), JailError> {
    limit(name, resource, value, value)
}

/// Sets a limit, or keeps the one that is already there where that one is lower.
fn limit(name: &'static str, resource: Resource, soft: u64, hard: u64) -> Result<(), JailError> {
    let ceiling = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let new = Rlimit { current: Some(soft.min(ceiling)), maximum: Some(hard.min(ceiling)) };
    rustix::process::setrlimit(resource, new).map_err(|error| JailError::Limit(name, error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Plan, JailError> {
        Plan::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn the_arguments_of_the_program_are_not_read_as_options() {
        let plan = parse(&["--memory", "5", "--", "/bin/x", "--memory", "9", "--"]).unwrap();
        assert_eq!(plan.memory, Some(5));
        assert_eq!(plan.command, ["/bin/x", "--memory", "9", "--"]);
    }

    #[test]
    fn wrong_options_are_refused() {
        for words in [
            &["--memory", "5"][..],
            &["--memory", "-1", "--", "/bin/x"],
            &["--memory", "", "--", "/bin/x"],
            &["--memory", "5x", "--", "/bin/x"],
            &["--shell", "1", "--", "/bin/x"],
            &["--memory"],
            &[],
        ] {
            assert!(matches!(parse(words), Err(JailError::Usage(_))), "{words:?}");
        }
    }
}
